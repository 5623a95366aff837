package secret_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// LOG-13: length is asked for, what is guessed first is refused, and nothing else is.
func TestPasswordsThatAreTriedFirstAreRefused(t *testing.T) {
	for _, bad := range []string{
		"", "Tr0ub4dor&3", "password1234", "P@ssw0rd!2026", "passwordpassword", "Sunshine2024!!", "qwertyuiop123", "1qaz2wsx3edc", "123456789012",
		"987654321098", "aaaaaaaaaaaa", "abcabcabcabc", "letmein-letmein", "correcthorse1", "dragonmonkey99", "ilovey0u!!!!!", "charlotte1999",
		"carol-carol", "carol.smith2024", "carol.smith@example.com", strings.Repeat("ä", 11), strings.Repeat("x1y2z", 200), "ABCDEFGHIJKL",
	} {
		if err := secret.CheckPassword(bad, "carol", "carol.smith@example.com"); iam.CodeOf(err) != "weak_password" {
			t.Errorf("%q: got %v, want weak_password", bad, err)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: the error repeats it", bad)
		}
	}
	for _, good := range []string{
		"gravel tumble oat", "correct horse battery staple", "Wq7-fjord-lamp", "zażółć gęślą jaźń", strings.Repeat("kd8 wq2mz ", 7), "48 Blossom Lane, upstairs", "carol-likes-figs",
		"日本語のパスワードは長い文です", "7h4c-99x0-kkl2",
	} {
		if err := secret.CheckPassword(good, "carol", "carol.smith@example.com"); err != nil {
			t.Errorf("%q: got %v, want nil", good, err)
		}
	}
}

package page_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Text can be read on what it stands on, and the edge of a field seen, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11, level AA).
func TestColoursCanBeTold(t *testing.T) {
	style, err := os.ReadFile("style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(style), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("there are no dark colours")
	}
	dark, _, _ = strings.Cut(dark, "\n}")
	for name, part := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(part, -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range []struct {
			over, under string
			want        float64
		}{
			{"ink", "paper", 7}, {"ink", "ground", 7}, {"ink", "sunk", 7}, {"ink", "wash", 7},
			{"quiet", "paper", 4.5}, {"quiet", "ground", 4.5}, {"quiet", "sunk", 4.5}, {"quiet", "wash", 4.5},
			{"accent", "paper", 4.5}, {"accent", "ground", 4.5}, {"accent", "wash", 4.5}, {"accent-deep", "paper", 4.5},
			{"on-accent", "accent", 4.5}, {"on-accent", "accent-deep", 4.5}, {"on-bad", "bad", 4.5},
			{"good", "paper", 4.5}, {"good", "good-wash", 4.5}, {"warn", "warn-wash", 4.5}, {"bad", "paper", 4.5}, {"bad", "bad-wash", 4.5},
			{"ink", "good-wash", 7}, {"ink", "warn-wash", 7}, {"ink", "bad-wash", 7},
			{"edge", "paper", 3}, {"edge", "sunk", 3},
		} {
			if got := contrast(t, colour[pair.over], colour[pair.under]); got < pair.want {
				t.Errorf("%s: %s on %s: got %.2f, want %.1f", name, pair.over, pair.under, got, pair.want)
			}
		}
	}
}

// contrast is the ratio of WCAG 2.2 of two colours.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	if len(colour) != len("#rrggbb") {
		t.Fatalf("got the colour %q, want #rrggbb", colour)
	}
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

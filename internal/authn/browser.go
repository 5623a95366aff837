package authn

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Browsers tells the browsers in which somebody has signed in before from all others, by a cookie that outlives the session. It opens
// nothing: whoever has it is counted by himself when he types a wrong password, and not with strangers.
type Browsers struct {
	Cookies *web.Cookies
	Key     []byte // the same on every replica
	Now     func() time.Time
}

// BrowserKeyLabel is the purpose of Browsers.Key, for secret.Hasher.Derive.
const BrowserKeyLabel = "known browser"

const (
	knownLife  = 180 * 24 * time.Hour
	knownUsers = 5 // whom one browser is remembered for
)

// An entry of the cookie is "user:device:until:mac"; the newest comes first, '.' stands between two.
func (b *Browsers) entry(user iam.UserID, device string, until int64) string {
	text := string(user) + ":" + device + ":" + strconv.FormatInt(until, 36)
	mac := hmac.New(sha256.New, b.Key)
	mac.Write([]byte(text))
	return text + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// read returns the user and the device of an entry that we have made and that has not ended.
func (b *Browsers) read(entry string) (user iam.UserID, device string, ok bool) {
	part := strings.Split(entry, ":")
	if len(part) != 4 {
		return "", "", false
	}
	until, err := strconv.ParseInt(part[2], 36, 64)
	if err != nil || !hmac.Equal([]byte(entry), []byte(b.entry(iam.UserID(part[0]), part[1], until))) || b.Now().Unix() >= until {
		return "", "", false
	}
	return iam.UserID(part[0]), part[1], true
}

// Knows returns what the browser is known by for a user, "" when the user has never signed in there.
func (b *Browsers) Knows(r *http.Request, user iam.UserID) string {
	for entry := range strings.SplitSeq(b.Cookies.Known(r), ".") {
		if u, device, ok := b.read(entry); ok && u == user {
			return device
		}
	}
	return ""
}

// Remember makes the browser a known one for a user who has just signed in there.
func (b *Browsers) Remember(w http.ResponseWriter, r *http.Request, user iam.UserID) {
	device, until := b.Knows(r, user), b.Now().Add(knownLife)
	if device == "" {
		device = random()
	}
	entries := []string{b.entry(user, device, until.Unix())}
	for entry := range strings.SplitSeq(b.Cookies.Known(r), ".") {
		if u, _, ok := b.read(entry); ok && u != user && len(entries) < knownUsers {
			entries = append(entries, entry)
		}
	}
	b.Cookies.SetKnown(w, strings.Join(entries, "."), until)
}

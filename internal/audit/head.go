package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Head says where a stream ends: the number, hash and time of its last line. Taken out, it is an anchor.
type Head struct {
	Stream string    `json:"stream"`
	Seq    uint64    `json:"seq"`
	Hash   string    `json:"hash"`
	Time   time.Time `json:"time"`
	MAC    string    `json:"mac"`
}

// A Key signs heads. Only whoever has the installation's key-encryption key can make it.
type Key []byte

// KeyLabel is what the key is derived for.
const KeyLabel = "gatehouse audit heads"

// Sign returns the head with its MAC.
func (k Key) Sign(h Head) Head {
	h.MAC = k.mac(h)
	return h
}

// Signed reports whether the head carries the MAC that this installation gave it.
func (k Key) Signed(h Head) bool { return hmac.Equal([]byte(h.MAC), []byte(k.mac(h))) }

func (k Key) mac(h Head) string {
	m := hmac.New(sha256.New, k)
	fmt.Fprintf(m, "gatehouse audit head 1\n%s\n%d\n%s\n%d\n", h.Stream, h.Seq, h.Hash, h.Time.UnixMicro())
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// String writes a head as an anchor, one word: "a1.STREAM.SEQ.HASH.MICROSECONDS.MAC".
func (h Head) String() string {
	return strings.Join([]string{
		"a1", h.Stream, strconv.FormatUint(h.Seq, 10), h.Hash, strconv.FormatInt(h.Time.UnixMicro(), 10), h.MAC,
	}, ".")
}

var (
	errAnchor  = errors.New("not an anchor: want the word that audit anchor printed, a1.STREAM.SEQ.HASH.TIME.MAC")
	streamForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// ParseAnchor reads what String wrote.
func ParseAnchor(s string) (Head, error) {
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) != 6 || parts[0] != "a1" || !streamForm.MatchString(parts[1]) || parts[5] == "" {
		return Head{}, errAnchor
	}
	seq, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return Head{}, errAnchor
	}
	if raw, err := hex.DecodeString(parts[3]); err != nil || len(raw) != sha256.Size && seq > 0 {
		return Head{}, errAnchor
	}
	micro, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil {
		return Head{}, errAnchor
	}
	return Head{Stream: parts[1], Seq: seq, Hash: parts[3], Time: time.UnixMicro(micro).UTC(), MAC: parts[5]}, nil
}

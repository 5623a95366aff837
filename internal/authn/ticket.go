package authn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Ticket is an interaction under way: what a browser was about to do when it was sent to sign in, and what its person has decided
// since. It travels sealed, in the parameter "ticket" of our own pages, so that an interrupted request costs no row in the store and
// may go on at any replica. Nobody but us can read, change or make one: where the browser goes on is never a stranger's choice.
type Ticket struct {
	Path string     `json:"path"`           // of ours, where the browser goes on, with the ticket
	Form url.Values `json:"form,omitempty"` // the parameters of the request there

	Client    iam.ClientID `json:"client,omitempty"` // for whom; "": for ourselves
	StartedAt time.Time    `json:"at"`
	// SignedInAfter is the earliest authentication that will do: prompt=login and max_age ask for a fresh one. Zero: any.
	SignedInAfter time.Time `json:"fresh,omitzero"`
	ACR           string    `json:"acr,omitempty"`  // the context class that was asked for
	LoginHint     string    `json:"hint,omitempty"` // the name that the person may want to sign in by
	// Leaves is the origin outside of ours to which the browser may be sent in the end, for the form-action of a policy; "": none.
	Leaves string `json:"leaves,omitempty"`

	// What the person has decided holds in the session in which it was decided, and in no other.
	Session      string     `json:"sid,omitempty"`
	Organization iam.NodeID `json:"org,omitempty"` // chosen; "-" for none
	Consented    bool       `json:"ok,omitempty"`
	Scopes       []string   `json:"scopes,omitempty"` // that the person is asked to consent to, and consents to
}

// URL returns where a browser goes with a sealed ticket.
func URL(path, sealed string) string { return path + "?ticket=" + url.QueryEscape(sealed) }

// TicketLife is how long an interaction may take.
const TicketLife = time.Hour

// MaxTicket is the most bytes of a sealed ticket. A request that is larger is refused at its start: the address of a page has to
// pass through every proxy.
const MaxTicket = 6 << 10

// Tickets seals and opens tickets. The key is the same on every replica.
type Tickets struct {
	aead cipher.AEAD
	now  func() time.Time
}

// TicketKeyLabel is the purpose of the key of Tickets, for secret.Hasher.Derive.
const TicketKeyLabel = "interaction ticket"

// NewTickets returns Tickets under a key of 32 bytes.
func NewTickets(key []byte, now func() time.Time) (*Tickets, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, fmt.Errorf("ticket key: %w", err)
	}
	return &Tickets{aead: aead, now: now}, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

var (
	errTicket = iam.Refuse(iam.Invalid, "invalid_ticket", "this page has been open for too long, or its address is incomplete: start again where you came from")
	errLong   = iam.Errorf(iam.Invalid, "the request is too long for a browser's address: send it to the pushed authorization request endpoint")
)

// Seal returns the ticket's sealed form, iam.Invalid when it would be too long.
func (t *Tickets) Seal(x *Ticket) (string, error) {
	if x.StartedAt.IsZero() {
		x.StartedAt = t.now()
	}
	plain, err := json.Marshal(x)
	if err != nil {
		return "", err
	}
	if base64.RawURLEncoding.EncodedLen(len(plain)+t.aead.Overhead()) > MaxTicket {
		return "", errLong
	}
	return base64.RawURLEncoding.EncodeToString(t.aead.Seal(nil, nil, plain, nil)), nil
}

// Open returns a sealed ticket. Its error is iam.Invalid with the code invalid_ticket, and a sentence for the person.
func (t *Tickets) Open(sealed string) (*Ticket, error) {
	if len(sealed) > MaxTicket {
		return nil, errTicket
	}
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errTicket
	}
	plain, err := t.aead.Open(nil, nil, raw, nil)
	if err != nil {
		return nil, errTicket
	}
	x := new(Ticket)
	if err := json.Unmarshal(plain, x); err != nil {
		return nil, errTicket
	}
	if now := t.now(); now.After(x.StartedAt.Add(TicketLife)) {
		return nil, errTicket
	}
	return x, nil
}

// random returns a new secret of 256 bits in base64url.
func random() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

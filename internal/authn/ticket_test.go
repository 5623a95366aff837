package authn_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

func tickets(t *testing.T, key string, now func() time.Time) *authn.Tickets {
	t.Helper()
	x, err := authn.NewTickets([]byte((key + strings.Repeat("-", 32))[:32]), now)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// A ticket comes back as it was, under the same key, within its life. Whoever changes one bit of it has none.
func TestATicketIsReadByUsAlone(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	a := tickets(t, "one", clock)
	sealed, err := a.Seal(&authn.Ticket{Path: "/authorize/resume", Form: url.Values{"state": {"ünï"}}, Client: "app"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tickets(t, "one", clock).Open(sealed)
	if err != nil || got.Form.Get("state") != "ünï" || got.Client != "app" || !got.StartedAt.Equal(now) {
		t.Fatalf("opened %+v, %v", got, err)
	}
	refused := func(what string, x *authn.Tickets, s string) {
		t.Helper()
		if _, err := x.Open(s); iam.CodeOf(err) != "invalid_ticket" {
			t.Errorf("%s: %v, want invalid_ticket", what, err)
		}
	}
	refused("another key", tickets(t, "two", clock), sealed)
	refused("nothing", a, "")
	refused("cut", a, sealed[:len(sealed)-4])
	refused("too long", a, strings.Repeat("A", authn.MaxTicket+1))
	for i := range len(sealed) {
		b := []byte(sealed)
		if b[i]++; b[i] > 'z' {
			b[i] = 'A'
		}
		if x, err := a.Open(string(b)); err == nil && i < len(sealed)-1 { // of the last character, some bits mean nothing
			t.Fatalf("character %d changed: opened %+v", i, x)
		}
	}
	now = now.Add(authn.TicketLife + time.Second)
	refused("too old", a, sealed)
}

// A request that no address could hold is refused when it begins.
func TestATicketFitsIntoAnAddress(t *testing.T) {
	a := tickets(t, "one", time.Now)
	if _, err := a.Seal(&authn.Ticket{Form: url.Values{"state": {strings.Repeat("x", authn.MaxTicket)}}}); iam.KindOf(err) != iam.Invalid {
		t.Errorf("got %v, want a refusal", err)
	}
	sealed, err := a.Seal(&authn.Ticket{Form: url.Values{"state": {strings.Repeat("x", 2<<10)}, "nonce": {strings.Repeat("y", 384)}}})
	if err != nil || len(sealed) > authn.MaxTicket {
		t.Errorf("a state of 2 KiB: %d, %v", len(sealed), err)
	}
}

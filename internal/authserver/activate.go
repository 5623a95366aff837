package authserver

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// The pages on which a person connects a device: enter the code, sign in, compare the code and decide (RFC 8628 §3.3). A device is
// approved by nothing but a form that this browser was shown in this session: a link, even one with the code in it, only shows.
//
// Once a code was found, a ticket goes from page to page with the grant in it, so that looking at a page again, or signing in, is no
// new guess at a code.

// The parameters of a ticket whose path is PathActivate.
const (
	ticketGrant    = "grant"
	ticketUserCode = "user_code"
)

// wrongCodes bounds guessing (RFC 8628 §5.1), for a person or a browser and, whoever they say to be, for all of a network.
var wrongCodes = iam.Limit{Most: 5, Window: 10 * time.Minute}

var errManyCodes = iam.Refuse(iam.TooMany, "too_many_codes", "too many wrong codes: wait a few minutes, start again on your device, and enter the code that it shows then")

// What is said about a code that leads to no device.
const (
	noSuchCode = "There is no device with this code. Check it against your device: if it has waited for long, start again there."
	notACode   = "A code has eight letters and no digits, like BCDF-GHJK. Check it against your device."
)

// showActivate is GET /activate: with a ticket or the right code the page that asks to approve, else the one that asks for the code.
func (s *Server) showActivate(w http.ResponseWriter, r *http.Request) error {
	query, err := web.ReadQuery(r)
	if err != nil {
		return err
	}
	person, err := s.People.Current(r)
	if err != nil {
		return err
	}
	switch {
	case query.Has("ticket"):
		ticket, err := s.openActivate(query.Get("ticket"))
		if err != nil {
			return err
		}
		return s.askToApprove(w, r, person, ticket, "")
	case query.Has("user_code") && subresource(r):
		return s.askForCode(w, r, person, query.Get("user_code"), "")
	case query.Has("user_code"):
		ticket, problem, err := s.enter(r, person, query.Get("user_code"))
		if err != nil {
			return err
		}
		if problem != "" {
			return s.askForCode(w, r, person, query.Get("user_code"), problem)
		}
		return s.askToApprove(w, r, person, ticket, "")
	default:
		return s.askForCode(w, r, person, "", "")
	}
}

// subresource reports whether a browser says that a page has made it ask, for a picture or a frame, and nobody has gone here: no guess of
// that page counts against the person and the network that read it.
func subresource(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return destination != "" && destination != "document"
}

// activate is POST /activate: a code that was entered, or the decision about a device.
func (s *Server) activate(w http.ResponseWriter, r *http.Request) error {
	form := web.FormOf(r.Context())
	if err := s.People.Cookies.CheckForm(r); err != nil {
		return err
	}
	person, err := s.People.Current(r)
	if err != nil {
		return err
	}
	if form.Has("ticket") {
		return s.decide(w, r, person, form)
	}
	ticket, problem, err := s.enter(r, person, form.Get("user_code"))
	if err != nil {
		return err
	}
	if problem != "" {
		return s.askForCode(w, r, person, form.Get("user_code"), problem)
	}
	sealed, err := s.Tickets.Seal(ticket)
	if err != nil {
		return err
	}
	// What was entered is on no page that a reload would send again.
	return web.SeeOther(w, authn.URL(PathActivate, sealed))
}

func (s *Server) openActivate(sealed string) (*authn.Ticket, error) {
	ticket, err := s.Tickets.Open(sealed)
	if err != nil {
		return nil, err
	}
	if ticket.Path != PathActivate {
		return nil, iam.Refuse(iam.Invalid, "invalid_ticket", "this page has been opened from elsewhere: start again with the code that your device shows")
	}
	return ticket, nil
}

// enter finds the device of a code that somebody has typed, or says what is wrong with the code. Whoever guesses too often learns
// nothing any more, not even that a guess was right: a place is taken before the look, and given back when the code was right.
func (s *Server) enter(r *http.Request, person *authn.Person, typed string) (_ *authn.Ticket, problem string, err error) {
	ctx, now := r.Context(), s.Policy.Now()
	code, ok := readUserCode(typed)
	if !ok {
		return nil, notACode, nil
	}
	guesses := s.guesses(r, person)
	if err := s.take(ctx, guesses, now, errManyCodes); err != nil {
		return nil, "", err
	}
	grant, err := s.waiting(ctx, code)
	if err != nil {
		return nil, "", err
	}
	if grant == nil {
		return nil, noSuchCode, nil
	}
	if err := s.giveBack(ctx, guesses, now); err != nil {
		return nil, "", err
	}
	return &authn.Ticket{
		Path: PathActivate, Client: grant.Client,
		Form: url.Values{ticketGrant: {grant.ID}, ticketUserCode: {code}},
	}, "", nil
}

// guesses returns by whom a guess counts: the network, and in it or not the person, or the browser while nobody is signed in.
func (s *Server) guesses(r *http.Request, person *authn.Person) []quota {
	out := []quota{{"code-network", web.Network(r.Context()), wrongCodes}}
	if person != nil {
		return append(out, quota{"code-person", string(person.User.ID), wrongCodes})
	}
	if browser := s.People.Cookies.Browser(r); browser != "" {
		return append(out, quota{"code-browser", browser, wrongCodes})
	}
	return out
}

// waiting returns the device that shows a code and waits, nil when none does.
func (s *Server) waiting(ctx context.Context, code string) (*iam.Grant, error) {
	id, err := s.Grants.UserCode(ctx, s.Handles.UserCode(code))
	if err != nil || id == "" {
		return nil, err
	}
	grant, err := s.Grants.Grant(ctx, id)
	if err != nil || !s.waits(grant) {
		return nil, err
	}
	return grant, nil
}

// waits reports whether a device can still be approved.
func (s *Server) waits(g *iam.Grant) bool {
	return g != nil && g.Device != nil && g.Device.State == iam.DevicePending && s.Policy.Now().Before(g.Device.ExpiresAt)
}

func (s *Server) askForCode(w http.ResponseWriter, r *http.Request, person *authn.Person, typed, problem string) error {
	status := http.StatusOK
	if problem != "" {
		status = http.StatusBadRequest
	}
	return page.Write(w, status, &page.DeviceCode{
		Head:    page.Head{Title: "Connect a device", Person: nameOf(person), FormToken: s.People.Cookies.FormToken(w, r)},
		Code:    typed[:min(len(typed), 40)],
		Problem: problem,
	})
}

func nameOf(person *authn.Person) string {
	if person == nil {
		return ""
	}
	return page.PersonName(person.User)
}

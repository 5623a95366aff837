package authserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// PushedStore keeps authorization requests that clients have sent ahead, by names that only they know. Of those who take one at once,
// one is told that it was there.
type PushedStore interface {
	PushedRequest(ctx context.Context, name string) (*iam.PushedRequest, error)
	CreatePushedRequest(ctx context.Context, name string, p *iam.PushedRequest) error
	TakePushedRequest(ctx context.Context, name string) (bool, error)
}

const (
	// pushedPrefix is in front of a pushed request's name (RFC 9126 §2.2).
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
	// pushedLife is how long a browser may take to come with it.
	pushedLife = 90 * time.Second
	// maxPushed is more than any request needs and little to keep.
	maxPushed = 16 << 10
	// pushedKept is how long a request is kept: a browser may have come with it at the last moment.
	pushedKept = pushedLife + authn.TicketLife
	// At most so many requests of clients that anybody can be are kept: from one network, which is all who share an address, and for
	// one client, which is everybody who uses the program.
	maxPushedOfNetwork = 500
	maxPushedOfClient  = 10000
)

var errManyPushed = iam.Refuse(iam.TooMany, "too_many_requests", "too many pushed requests: try again later, or send the browser with the parameters themselves")

var errPushed = iam.Refuse(iam.Invalid, "invalid_request_uri", "the request that you were sent here with has ended, or was answered already: start again where you came from")

// par is POST /oauth/par (RFC 9126). The request is checked as a browser's would be, and its refusal told at once. It is kept without
// what the client has proved itself with.
func (s *Server) par(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	client, err := s.authenticate(r)
	if err != nil {
		return err
	}
	form := web.FormOf(ctx)
	if form.Has("request_uri") {
		return iam.Refuse(iam.Invalid, "invalid_request", "a pushed request names no request_uri (RFC 9126, section 2.1)")
	}
	if id := form.Get("client_id"); id != "" && iam.ClientID(id) != client.ID {
		return iam.Refuse(iam.Invalid, "invalid_request", "client_id is another one than that of the client which has authenticated")
	}
	kept := form.Only(authorizeParameters...)
	kept.Set("client_id", string(client.ID))
	size := 0
	for name, values := range kept {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > maxPushed {
		return iam.Refuse(iam.Invalid, "invalid_request", "the request is longer than %d bytes", maxPushed)
	}
	if err := s.checkAuthorize(ctx, &authorizeRequest{form: web.NewForm(kept)}); err != nil {
		return err
	}
	now := s.People.Now()
	if err := s.admitPushed(ctx, client, now); err != nil {
		return err
	}
	var random [16]byte
	rand.Read(random[:])
	name := base64.RawURLEncoding.EncodeToString(random[:])
	p := &iam.PushedRequest{Client: client.ID, Form: kept, EndsAt: now.Add(pushedLife), KeptUntil: now.Add(pushedKept)}
	if err := s.Pushed.CreatePushedRequest(ctx, name, p); err != nil {
		return err
	}
	h := w.Header()
	h["Content-Type"] = contentJSON
	noStore(h)
	w.WriteHeader(http.StatusCreated)
	_, err = fmt.Fprintf(w, `{"request_uri":"%s%s","expires_in":%d}`, pushedPrefix, name, int(pushedLife.Seconds()))
	return err
}

// admitPushed counts a request of a client that does not prove who it is, of its network and of the client: without that, a stranger
// who knows no more than a client_id would have us keep as much as he likes.
func (s *Server) admitPushed(ctx context.Context, client *iam.Client, now time.Time) error {
	if !client.Public() {
		return nil
	}
	return s.take(ctx, []quota{
		{"push-network", web.Network(ctx), iam.Limit{Most: maxPushedOfNetwork, Window: pushedKept}},
		{"push-client", string(client.ID), iam.Limit{Most: maxPushedOfClient, Window: pushedKept}},
	}, now, errManyPushed)
}

// readPushed replaces the parameters that a browser has brought by those that the client has pushed. It may come more than once, as
// people reload pages, until the code is issued.
func (s *Server) readPushed(ctx context.Context, q *authorizeRequest, name string, now time.Time) error {
	p, err := s.Pushed.PushedRequest(ctx, name)
	if err != nil {
		return err
	}
	if p == nil || !now.Before(p.EndsAt) || len(q.form.Values("client_id")) > 1 || string(p.Client) != q.form.Get("client_id") {
		return errPushed
	}
	q.pushed, q.form = name, web.NewForm(p.Form)
	return nil
}

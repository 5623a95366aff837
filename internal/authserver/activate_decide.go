package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// What is said about a device that was found.
const (
	deviceEnded = "This device does not wait any more: it was connected or refused already, or has waited too long. Start again on the device."
	chooseAnOrg = "Choose the organization in which the program is to work."
	mightNotUse = "You have no access with this program there. If you go on, the device is told so."
	mayNotUse   = "You have no access with this program there. Ask an owner of the organization to give you a role."
)

// askToApprove shows who wants what, from where and since when, and asks that the code be compared: the person may have been sent here
// by somebody whose device it is (RFC 8628 §5.4). Whoever is not signed in does that first.
func (s *Server) askToApprove(w http.ResponseWriter, r *http.Request, person *authn.Person, ticket *authn.Ticket, problem string) error {
	ctx := r.Context()
	sealed, err := s.Tickets.Seal(ticket)
	if err != nil {
		return err
	}
	if person == nil {
		return web.SeeOther(w, authn.URL(PathLogin, sealed))
	}
	grant, err := s.Grants.Grant(ctx, ticket.Form.Get(ticketGrant))
	if err != nil {
		return err
	}
	if !s.waits(grant) {
		return s.askForCode(w, r, person, "", deviceEnded)
	}
	client, err := s.deviceClient(ctx, grant)
	if err != nil {
		return err
	}
	show := &page.Device{
		Head:       page.Head{Title: "Connect a device?", Person: nameOf(person), FormToken: s.People.Cookies.FormToken(w, r), Ticket: sealed},
		Client:     client.Name,
		Code:       ticket.Form.Get(ticketUserCode),
		Network:    grant.Device.Network,
		HereAsWell: grant.Device.Network == web.Peer(ctx).String(),
		Agent:      grant.Device.Agent,
		Waited:     s.Policy.Now().Sub(grant.CreatedAt),
		Scopes:     grant.Scopes,
		Audiences:  grant.Audiences,
		Problem:    problem,
	}
	if len(show.Audiences) == 0 && len(client.Audiences) > 0 {
		show.Audiences = client.Audiences[:1] // as the policy has it for whoever names none
	}
	if show.Organizations, err = s.choices(ctx, client, grant, person.User); err != nil {
		return err
	}
	if len(show.Organizations) == 0 {
		would, err := s.authorizeDevice(ctx, client, grant, person, "")
		switch iam.KindOf(err) {
		case iam.Forbidden, iam.Invalid:
			show.Problem = mightNotUse
		default:
			if err != nil {
				return err
			}
		}
		if would != nil && would.Organization != nil {
			show.Organization = page.NodeName(would.Organization)
		}
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusBadRequest
	}
	return page.Write(w, status, show)
}

// deviceClient returns the client of a grant. Of one that may not have it any more, the person learns that.
func (s *Server) deviceClient(ctx context.Context, g *iam.Grant) (*iam.Client, error) {
	client, err := s.Policy.Directory.Client(ctx, g.Client)
	if err != nil {
		return nil, err
	}
	if client == nil || client.Disabled || allowed(client, iam.GrantDeviceCode) != nil {
		return nil, iam.Refuse(iam.Forbidden, "unauthorized_client", "this program may not connect devices any more: ask whoever runs it")
	}
	return client, nil
}

// choices returns the organizations that the person must choose from: none unless the client wants one, has named none and belongs to
// none, and the person has several.
func (s *Server) choices(ctx context.Context, client *iam.Client, g *iam.Grant, user *iam.User) ([]page.Choice, error) {
	if client.Web == nil || client.Web.Organization != "required" || g.Organization != "" || client.Organization != "" {
		return nil, nil
	}
	organizations, err := s.Policy.Organizations(ctx, client, user)
	if err != nil || len(organizations) < 2 {
		return nil, err
	}
	out := make([]page.Choice, len(organizations))
	for i, o := range organizations {
		out[i] = page.Choice{Value: string(o.ID), Text: page.NodeName(o)}
	}
	return out, nil
}

// authorizeDevice asks the policy what the device would get if this person approved it, in the organization that the grant names, or
// else the one chosen.
func (s *Server) authorizeDevice(ctx context.Context, client *iam.Client, g *iam.Grant, person *authn.Person, chosen string) (*token.Authorization, error) {
	details, err := token.ParseDetails(g.Details)
	if err != nil {
		return nil, err
	}
	r := token.Request{
		Client: client, Grant: iam.GrantDeviceCode, GrantID: g.ID, Scopes: g.Scopes, Audiences: g.Audiences,
		Organization: string(g.Organization), Details: details,
		Person: &token.Person{
			User: person.User, AuthTime: person.Session.AuthTime, ACR: person.Session.ACR, AMR: person.Session.AMR, SessionID: person.Session.ID,
		},
	}
	if r.Organization == "" {
		r.Organization = chosen
	}
	return s.Policy.Authorize(ctx, r)
}

// decide carries out what the person has decided.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, person *authn.Person, form web.Form) error {
	ctx := r.Context()
	ticket, err := s.openActivate(form.Get("ticket"))
	if err != nil {
		return err
	}
	if person == nil { // the session has ended meanwhile
		return s.askToApprove(w, r, nil, ticket, "")
	}
	grant, err := s.Grants.Grant(ctx, ticket.Form.Get(ticketGrant))
	if err != nil {
		return err
	}
	decision := form.Get("decision")
	switch {
	case grant == nil || grant.Device == nil:
		return s.askForCode(w, r, person, "", deviceEnded)
	case decision == "approve" && approvedBy(grant, person):
		return s.deviceDone(w, person, true, "") // sent again: the first answer was lost, or the button pressed twice
	case decision == "deny" && grant.Device.State == iam.DeviceDenied:
		return s.deviceDone(w, person, false, "")
	case !s.waits(grant):
		return s.askForCode(w, r, person, "", deviceEnded)
	case decision == "deny":
		return s.denyDevice(w, r, person, grant, "")
	case decision != "approve":
		return iam.Refuse(iam.Invalid, "invalid_request", "the form says neither approve nor deny")
	}
	return s.approveDevice(w, r, person, grant, ticket, strings.TrimSpace(form.Get("organization")))
}

// approvedBy reports whether the person has approved the device before.
func approvedBy(g *iam.Grant, person *authn.Person) bool {
	return g.User == person.User.ID && (g.Device.State == iam.DeviceApproved || g.Device.State == iam.DeviceSpent)
}

// approveDevice gives the device what this person may have. A person who may not use the program where it asks approves nothing: the
// device is told so.
func (s *Server) approveDevice(w http.ResponseWriter, r *http.Request, person *authn.Person, grant *iam.Grant, ticket *authn.Ticket, chosen string) error {
	ctx := r.Context()
	client, err := s.deviceClient(ctx, grant)
	if err != nil {
		return err
	}
	choices, err := s.choices(ctx, client, grant, person.User)
	if err != nil {
		return err
	}
	if len(choices) > 0 && chosen == "" {
		return s.askToApprove(w, r, person, ticket, chooseAnOrg)
	}
	if len(choices) == 0 {
		chosen = "" // nobody was asked
	}
	a, err := s.authorizeDevice(ctx, client, grant, person, chosen)
	switch iam.KindOf(err) {
	case iam.Forbidden, iam.Invalid:
		web.Add(ctx, slog.String("refused", iam.CodeOf(err)))
		return s.denyDevice(w, r, person, grant, mayNotUse)
	default:
		if err != nil {
			return err
		}
	}
	offline := s.staysSignedIn(a)
	listed := grant.Device.ExpiresAt.Add(a.Lifetime)
	if offline {
		listed = grant.Device.ExpiresAt.Add(s.Lives.RefreshWhole)
	}
	err = s.Grants.PutUserGrant(ctx, person.User.ID, iam.UserGrant{
		ID: grant.ID, Client: client.ID, SessionID: person.Session.ID, Device: true, Offline: offline, CreatedAt: a.IssuedAt,
	}, listed)
	if err != nil {
		return err
	}
	done := false
	err = s.Grants.ChangeGrant(ctx, grant.ID, func(g *iam.Grant) (bool, error) {
		if done = s.waits(g); !done {
			return false, nil
		}
		g.Device.State = iam.DeviceApproved
		g.Connector = person.Session.Connector
		// A mark from before this moment is not about what is allowed now.
		g.User, g.CreatedAt = person.User.ID, a.IssuedAt
		g.AuthTime, g.ACR, g.AMR, g.SessionID = a.AuthTime, a.ACR, a.AMR, a.SessionID
		g.Scopes = a.Scopes
		if a.Organization != nil {
			g.Organization = a.Organization.ID
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if !done {
		return s.askForCode(w, r, person, "", deviceEnded)
	}
	return s.deviceDone(w, person, true, "")
}

// staysSignedIn reports whether a client will get refresh tokens for what was authorized.
func (s *Server) staysSignedIn(a *token.Authorization) bool {
	return slices.Contains(a.Scopes, token.ScopeOfflineAccess) && allowed(a.Client, iam.GrantRefreshToken) == nil
}

// denyDevice has the device told that nobody lets it in. problem says why the person was not asked.
func (s *Server) denyDevice(w http.ResponseWriter, r *http.Request, person *authn.Person, grant *iam.Grant, problem string) error {
	done := false
	err := s.Grants.ChangeGrant(r.Context(), grant.ID, func(g *iam.Grant) (bool, error) {
		if done = s.waits(g); done {
			g.Device.State = iam.DeviceDenied
		}
		return done, nil
	})
	if err != nil {
		return err
	}
	if !done {
		return s.askForCode(w, r, person, "", deviceEnded)
	}
	return s.deviceDone(w, person, false, problem)
}

func (s *Server) deviceDone(w http.ResponseWriter, person *authn.Person, approved bool, problem string) error {
	p := &page.DeviceDone{Head: page.Head{Title: "The device is connected", Person: nameOf(person)}, Approved: approved, Problem: problem}
	status := http.StatusOK
	if !approved {
		p.Title = "The device was not connected"
	}
	if problem != "" {
		status = http.StatusForbidden
	}
	return page.Write(w, status, p)
}

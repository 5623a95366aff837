package authserver

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// noOrganization is the choice of none.
const noOrganization = "-"

var errMember = iam.Refuse(iam.Forbidden, "access_denied", "the client works in an organization, and the person belongs to none that it serves")

// toChoose returns what the person has to choose from, nothing when nothing is to be chosen. It settles the organization of the request:
// the one that the request names, the one that was chosen, or, where one is required, the only one. With prompt=select_account the
// person also says as whom to go on.
func (s *Server) toChoose(ctx context.Context, x *interaction) ([]page.Choice, error) {
	named, selects := x.request.Organization != "", x.prompt(promptSelect)
	if chosen := x.ticket.Organization; chosen != "" {
		if !named && chosen != noOrganization {
			x.request.Organization = string(chosen)
		}
		return nil, nil
	}
	w := x.client.Web
	required := w != nil && w.Organization == "required" && !named && x.client.Organization == ""
	if !required && !selects {
		return nil, nil
	}
	var orgs []*iam.Node
	if !named && x.client.Organization == "" {
		var err error
		if orgs, err = s.Policy.Organizations(ctx, x.client, x.person.User); err != nil {
			return nil, err
		}
	}
	switch {
	case required && len(orgs) == 0:
		return nil, errMember
	case len(orgs) <= 1 && (!selects || x.just()):
		if required {
			x.request.Organization = string(orgs[0].ID)
		}
		return nil, nil
	case len(orgs) == 0:
		return []page.Choice{{Value: noOrganization, Text: "Continue"}}, nil
	}
	out := make([]page.Choice, 0, len(orgs)+1)
	for _, o := range orgs {
		out = append(out, page.Choice{Value: string(o.ID), Text: o.Name})
	}
	slices.SortFunc(out, func(a, b page.Choice) int { return cmp.Compare(a.Text, b.Text) })
	if !required && len(orgs) > 1 {
		out = append(out, page.Choice{Value: noOrganization, Text: "Continue without an organization"})
	}
	return out, nil
}

// organizationPage is GET /organization.
func (s *Server) organizationPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.interaction(r, r.URL.Query().Get("ticket"))
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if x.ticket.Session == "" {
		return s.goOn(w, r, x, PathResume)
	}
	x.ticket.Organization = "" // whoever comes back chooses anew
	choices, err := s.toChoose(r.Context(), x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if len(choices) == 0 {
		return s.goOn(w, r, x, PathResume)
	}
	title := "Choose an organization"
	if len(choices) == 1 {
		title = "Continue to " + x.client.Name
	}
	p := &page.Organization{Application: x.client.Name, Choices: choices}
	if p.Head, err = s.head(w, r, x, title); err != nil {
		return err
	}
	if p.SwitchTo, err = s.elsewhere(x); err != nil {
		return err
	}
	return page.Write(w, http.StatusOK, p)
}

// organization is POST /organization.
func (s *Server) organization(w http.ResponseWriter, r *http.Request) error {
	if err := s.People.Cookies.CheckForm(r); err != nil {
		return err
	}
	form := web.FormOf(r.Context())
	x, err := s.interaction(r, form.Get("ticket"))
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if x.ticket.Session == "" {
		return s.goOn(w, r, x, PathResume)
	}
	x.ticket.Organization = ""
	choices, err := s.toChoose(r.Context(), x)
	if err != nil {
		return s.refuse(w, r, x.authorizeRequest, err)
	}
	if len(choices) == 0 {
		return s.goOn(w, r, x, PathResume)
	}
	chosen := form.Get("organization")
	if !slices.ContainsFunc(choices, func(c page.Choice) bool { return c.Value == chosen }) {
		return errDecision
	}
	x.ticket.Organization, x.ticket.Consented, x.ticket.Scopes = iam.NodeID(chosen), false, nil
	return s.goOn(w, r, x, PathResume)
}

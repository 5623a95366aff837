package token

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

var (
	// errNoOrganization is one answer for an organization that does not exist, is suspended, or in which the subject holds no role.
	errNoOrganization = iam.Refuse(iam.Forbidden, access.CodeAccessDenied, "the subject holds no role in the organization asked for, or there is no such organization")
	// errNoDetail is the same for whoever names nodes: he may not learn from the code whether the organization exists. The model
	// refuses a node with the same words.
	errNoDetail = refuseDetails("authorization_details names a node that does not exist in the organization, or at which the subject holds no role")
	// errDetailsOfNone is for nodes of no organization.
	errDetailsOfNone = refuseDetails("authorization_details names nodes below an organization: name the organization")
	// errChoose is for clients that work in one organization only.
	errChoose = iam.Refuse(iam.Invalid, "invalid_request", "this client works in one organization at a time: name the organization")
)

func (r *Request) refuseOrganization() error {
	if len(r.Details) > 0 {
		return errNoDetail
	}
	return errNoOrganization
}

// organization settles which organization the token speaks for and what it says about the subject there. The one that is named,
// or else the one that the client belongs to, must be one that the subject holds a role in. A person for whom none is named speaks
// for his only one. Otherwise the token speaks for none.
func (p *Policy) organization(ctx context.Context, a *Authorization, r *Request) error {
	id, err := p.named(ctx, r)
	if err != nil {
		return err
	}
	if id != "" {
		return p.speaksFor(ctx, a, r, id)
	}
	if r.Person != nil {
		only, err := p.onlyMembership(ctx, r.Person.User.ID)
		if err != nil {
			return err
		}
		if only != "" {
			if err := p.speaksFor(ctx, a, r, only); iam.CodeOf(err) != access.CodeAccessDenied {
				return err
			}
		}
		if w := r.Client.Web; w != nil && w.Organization == "required" {
			return errChoose
		}
	}
	if len(r.Details) > 0 {
		return errDetailsOfNone
	}
	return nil
}

// named returns the organization that was asked for, or else the client's own, "" for neither. A client of an organization sees
// people as members of that one only: nobody's token for another organization gets into its hands.
func (p *Policy) named(ctx context.Context, r *Request) (iam.NodeID, error) {
	if r.Organization == "" {
		return r.Client.Organization, nil
	}
	org, err := p.Directory.Organization(ctx, r.Organization)
	if err != nil {
		return "", err
	}
	if org == nil || r.Person != nil && r.Client.Organization != "" && r.Client.Organization != org.ID {
		return "", r.refuseOrganization()
	}
	return org.ID, nil
}

// onlyMembership returns the one organization that a person is assigned something in, himself or by a group, "" when there are
// none or several.
func (p *Policy) onlyMembership(ctx context.Context, u iam.UserID) (iam.NodeID, error) {
	facts := p.Facts(ctx)
	at := slices.Clone(facts.Nodes(u.Subject()))
	for _, g := range facts.Groups(u) {
		at = append(at, facts.Nodes(g.ID.Subject())...)
	}
	if err := facts.Err(); err != nil {
		return "", err
	}
	var models []*access.Model
	for _, id := range at {
		path, err := p.Directory.Path(ctx, id)
		if err != nil {
			return "", err
		}
		if len(path) == 0 || disabled(path) {
			continue
		}
		m, err := p.Model(ctx, path[0].Model)
		if err != nil {
			return "", err
		}
		if m != nil && !slices.ContainsFunc(models, func(o *access.Model) bool { return o.Name() == m.Name() }) {
			models = append(models, m)
		}
	}
	var only iam.NodeID
	for _, m := range models {
		organizations := m.Organizations(facts, u.Subject())
		if err := facts.Err(); err != nil {
			return "", err
		}
		if len(organizations) == 0 {
			continue
		}
		if len(organizations) > 1 || only != "" {
			return "", nil
		}
		only = organizations[0]
	}
	return only, nil
}

// speaksFor has the access model say what the token says about the subject in an organization.
func (p *Policy) speaksFor(ctx context.Context, a *Authorization, r *Request, id iam.NodeID) error {
	a.IssuedAt = p.IssuedAfter(a.IssuedAt, r.marks(id)...)
	revision := p.Revision()
	path, err := p.Directory.Path(ctx, id)
	if err != nil {
		return err
	}
	if len(path) == 0 || disabled(path) {
		return r.refuseOrganization()
	}
	model, err := p.Model(ctx, path[0].Model)
	if err != nil {
		return err
	}
	if model == nil {
		return iam.Errorf(iam.Internal, "organization %q follows the access model %q, which does not exist", id, path[0].Model)
	}
	nodes, err := p.nodes(ctx, model, id, r.Details)
	if err != nil {
		return err
	}
	facts := p.Facts(ctx)
	claims, err := model.Claims(facts, access.Request{
		Subject:      r.Subject(),
		Name:         r.name(),
		Organization: id,
		Nodes:        nodes,
		Entitlements: slices.Contains(a.Scopes, ScopeEntitlements),
	})
	if fault := facts.Err(); fault != nil {
		return fault
	}
	if iam.CodeOf(err) == access.CodeAccessDenied {
		return r.refuseOrganization()
	}
	if err != nil {
		return err
	}
	if a.Details, err = p.details(ctx, id, r.Details, nodes, claims.Details); err != nil {
		return err
	}
	a.Organization = path[len(path)-1]
	a.Roles, a.Groups = claims.Roles, claims.Groups
	for _, e := range claims.Entitlements {
		a.Entitlements = append(a.Entitlements, string(e))
	}
	for _, x := range claims.Extra {
		a.Extra = append(a.Extra, Extra(x))
	}
	a.AccessRev = accessRev(model, revision)
	return nil
}

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
		may := only != ""
		if may {
			if may, err = p.mayServe(ctx, r, only); err != nil {
				return err
			}
		}
		if may {
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

// named returns the organization that was asked for, or else the client's own, "" for neither.
func (p *Policy) named(ctx context.Context, r *Request) (iam.NodeID, error) {
	if r.Organization == "" {
		return p.own(ctx, r)
	}
	org, err := p.Directory.Organization(ctx, r.Organization)
	if err != nil {
		return "", err
	}
	if org == nil {
		return "", r.refuseOrganization()
	}
	may, err := p.mayServe(ctx, r, org.ID)
	if err == nil && !may {
		err = r.refuseOrganization()
	}
	return org.ID, err
}

// own returns the organization that the client belongs to: the one at its node or above it. A client of the platform, or of a node
// above organizations, belongs to none.
func (p *Policy) own(ctx context.Context, r *Request) (iam.NodeID, error) {
	if r.Client.Organization == "" {
		return "", nil
	}
	path, err := p.Directory.Path(ctx, r.Client.Organization)
	if err != nil {
		return "", err
	}
	if len(path) == 0 || disabled(path) {
		return "", r.refuseOrganization()
	}
	return organizationOf(path), nil
}

// organizationOf returns the organization on the path to a node, "" when there is none.
func organizationOf(path []*iam.Node) iam.NodeID {
	for _, n := range path {
		if n.Level == iam.LevelOrganization {
			return n.ID
		}
	}
	return ""
}

// mayServe reports whether the client may get a token for an organization on behalf of whom it asks. One that belongs to a node
// sees people as members of the organization at it or above it, or of those below it: nobody's token for another organization gets
// into its hands. For itself it works wherever it is assigned something.
func (p *Policy) mayServe(ctx context.Context, r *Request, org iam.NodeID) (bool, error) {
	home := r.Client.Organization
	if r.Person == nil || home == "" || home == org {
		return true, nil
	}
	path, err := p.Directory.Path(ctx, home)
	if err != nil || organizationOf(path) == org {
		return err == nil, err
	}
	path, err = p.Directory.Path(ctx, org)
	return slices.ContainsFunc(path, func(n *iam.Node) bool { return n.ID == home }), err
}

// onlyMembership returns the one organization that a person is assigned something in, himself or by a group, "" when there are
// none or several.
func (p *Policy) onlyMembership(ctx context.Context, u iam.UserID) (iam.NodeID, error) {
	all, err := p.memberships(ctx, u)
	if err != nil || len(all) != 1 {
		return "", err
	}
	return all[0], nil
}

// Organizations returns the organizations that a person is assigned something in, himself or by a group, and that the client may have
// a token for: what the person can choose from.
func (p *Policy) Organizations(ctx context.Context, c *iam.Client, u *iam.User) ([]*iam.Node, error) {
	all, err := p.memberships(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	r := Request{Client: c, Person: &Person{User: u}}
	var out []*iam.Node
	for _, id := range all {
		may, err := p.mayServe(ctx, &r, id)
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		org, err := p.Directory.Organization(ctx, string(id))
		if err != nil {
			return nil, err
		}
		if org != nil {
			out = append(out, org)
		}
	}
	return out, nil
}

// memberships returns the organizations that a person is assigned something in, himself or by a group.
func (p *Policy) memberships(ctx context.Context, u iam.UserID) ([]iam.NodeID, error) {
	facts := p.Facts(ctx)
	at := slices.Clone(facts.Nodes(u.Subject()))
	for _, g := range facts.Groups(u) {
		at = append(at, facts.Nodes(g.ID.Subject())...)
	}
	if err := facts.Err(); err != nil {
		return nil, err
	}
	var models []*access.Model
	for _, id := range at {
		path, err := p.Directory.Path(ctx, id)
		if err != nil {
			return nil, err
		}
		if len(path) == 0 || disabled(path) {
			continue
		}
		m, err := p.Model(ctx, path[0].Model)
		if err != nil {
			return nil, err
		}
		if m != nil && !slices.ContainsFunc(models, func(o *access.Model) bool { return o.Name() == m.Name() }) {
			models = append(models, m)
		}
	}
	var out []iam.NodeID
	for _, m := range models {
		organizations := m.Organizations(facts, u.Subject())
		if err := facts.Err(); err != nil {
			return nil, err
		}
		out = append(out, organizations...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
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
		Home:         r.home(id),
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

package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Client returns a client to whoever may manage it, and to itself.
func (s *Service) Client(ctx context.Context, by By, id string) (out apiv1.OAuthClient, err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		c, err := w.client(id)
		if err == nil && c.ID.Subject() != by.Subject {
			c, err = w.managed(id)
		}
		if err == nil {
			out, err = w.showClient(c)
		}
		return err
	})
	return out, err
}

// ClientsAt lists the clients of a node by name.
func (s *Service) ClientsAt(ctx context.Context, by By, ref string, p store.PageOptions) (out apiv1.Page[apiv1.OAuthClient], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		n, err := w.node(ref)
		if err != nil {
			return err
		}
		if err := w.mayManage(n.ID); err != nil {
			return err
		}
		page, err := s.Store.Clients(ctx, n.ID, p)
		out, err = show(page, err, w.showClient)
		return err
	})
	return out, err
}

// Clients lists the clients of the platform by name or, to somebody without a platform role, those of the nodes at which he holds
// a role, by himself or in a group, and may manage clients.
func (s *Service) Clients(ctx context.Context, by By, p store.PageOptions) (out apiv1.Page[apiv1.OAuthClient], err error) {
	err = s.viewBy(ctx, by, func(w *work) error {
		if by.Authority != access.ByModel {
			page, err := s.Store.Clients(ctx, "", p)
			out, err = show(page, err, w.showClient)
			return err
		}
		out, err = w.ownClients(p)
		return err
	})
	return out, err
}

// defaultPage is how much of a list is read when the caller does not say.
const defaultPage = 100

// ownClients reads a part of the clients of the caller's nodes. Its place is "node/name".
func (w *work) ownClients(p store.PageOptions) (out apiv1.Page[apiv1.OAuthClient], err error) {
	out.Items = []apiv1.OAuthClient{}
	nodes, err := w.holdsAt()
	if err != nil {
		return out, err
	}
	if p.Limit == 0 {
		p.Limit = defaultPage
	}
	begin, after, _ := strings.Cut(p.After, "/")
	for _, n := range nodes {
		switch err := w.mayManage(n); {
		case string(n) < begin, refused(err):
			continue
		case err != nil:
			return out, err
		case string(n) != begin:
			after = ""
		}
		page, err := w.s.Store.Clients(w.ctx, n, store.PageOptions{After: after, Limit: p.Limit - len(out.Items)})
		shown, err := show(page, err, w.showClient)
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, shown.Items...)
		if len(out.Items) == p.Limit || page.Next != "" {
			last := page.Next
			if last == "" { // the node is read to its end: the rest begins behind the last of its names
				last = page.Items[len(page.Items)-1].Name
			}
			out.NextPageToken = string(n) + "/" + last
			return out, nil
		}
	}
	return out, nil
}

// holdsAt returns where the caller holds something, by himself or in a group, sorted.
func (w *work) holdsAt() ([]iam.NodeID, error) {
	r := w.roster()
	nodes := slices.Clone(r.Nodes(w.by.Subject))
	if w.by.Subject.Kind == iam.SubjectUser {
		for _, g := range r.Groups(iam.UserID(w.by.Subject.ID)) {
			nodes = append(nodes, r.Nodes(g.ID.Subject())...)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes), r.err
}

func (w *work) showClient(c *iam.Client) (out apiv1.OAuthClient, err error) {
	out = apiv1.OAuthClient{Name: c.Name, CreatedAt: c.CreatedAt, ClientSpec: apiv1.ClientSpec{
		ClientID: string(c.ID), Disabled: c.Disabled, TokenEndpointAuthMethod: string(c.AuthMethod), StrictAuthMethod: c.StrictAuthMethod,
		PlatformRole: string(c.PlatformRole), Audiences: c.Audiences, Scopes: c.Scopes, RedirectURIs: c.RedirectURIs,
	}}
	for _, g := range c.GrantTypes {
		out.GrantTypes = append(out.GrantTypes, string(g))
	}
	if web := c.Web; web != nil {
		out.ApplicationType, out.PostLogoutRedirectURIs, out.BackchannelLogoutURI = web.ApplicationType, web.PostLogoutRedirectURIs, web.BackchannelLogoutURI
		out.AllowedOrigins, out.IDTokenSigningAlg, out.Consent = web.AllowedOrigins, web.IDTokenSigningAlg, web.Consent
		out.OrganizationChoice, out.OrganizationSwitch = web.Organization, web.OrganizationSwitch
		if web.OptionalPKCE {
			required := false
			out.RequirePKCE = &required
		}
	}
	err = w.Peek(func() error {
		if out.Organization, err = w.pathOf(c.Organization); err != nil {
			return err
		}
		return w.showRoles(&out, c)
	})
	out.ETag = etag(out)
	return out, err
}

// showRoles shows what a client holds: the first role at its organization as its own, all others as assignments. What it holds
// where the caller sees nothing is not his to know.
func (w *work) showRoles(out *apiv1.OAuthClient, c *iam.Client) error {
	nodes, err := nodesOf(w.Tx, c.ID.Subject())
	if err != nil {
		return err
	}
	for _, n := range nodes {
		node, err := w.Node(n)
		if err != nil {
			return err
		}
		if node == nil {
			continue
		}
		if known, err := w.knows(node); err != nil {
			return err
		} else if !known {
			continue
		}
		roles, err := w.Roles(n, c.ID.Subject())
		if err != nil {
			return err
		}
		path, err := w.pathOf(n)
		if err != nil {
			return err
		}
		for i, role := range roles {
			if n == c.Organization && i == 0 {
				out.Role = string(role)
				continue
			}
			out.Assignments = append(out.Assignments, apiv1.ClientAssignment{Node: path, Role: string(role)})
		}
	}
	return nil
}

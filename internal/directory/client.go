package directory

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// CreateClient makes a client, of the node that at names or, when that is "", of the one in the body. When it needs a secret and
// the request brings none, one is generated and returned, this once.
func (s *Service) CreateClient(ctx context.Context, by By, at string, n apiv1.NewClient) (out apiv1.ClientCreated, err error) {
	inPath := at != ""
	switch {
	case inPath && n.Organization != "" && n.Organization != at:
		return out, iam.Errorf(iam.Invalid, "organization: the path says %q and the body %q", at, n.Organization)
	case inPath:
		n.Organization = at
	}
	spec := completeClient(n.ClientSpec, n.Organization != "")
	d := desiredClient{name: n.Name, spec: spec, newID: iam.ClientID(iam.NewID("c")), expect: toCreate}
	generated := secret.Secret("")
	if len(spec.Secrets) == 0 && spec.TokenEndpointAuthMethod != string(iam.AuthNone) {
		generated = secret.New(secret.ClientSecret)
		d.spec.Secrets = []apiv1.SecretSpec{{Name: "default", SecretRef: apiv1.SecretRef{Value: generated.Reveal()}}}
	}
	var org iam.NodeID
	err = s.execute(ctx, by, func(p *plan) error {
		if n.Organization != "" {
			node, err := p.node(n.Organization)
			if err != nil && inPath {
				return err
			}
			if err != nil {
				return within("organization", reference(err))
			}
			org = node.ID
		}
		return p.ensureClient(org, &d)
	})
	if err != nil {
		return out, err
	}
	err = s.viewBy(ctx, by, func(w *work) error {
		c, err := w.ClientNamed(org, n.Name)
		if err != nil {
			return err
		}
		if c == nil {
			return missing("client", n.Name)
		}
		if out.OAuthClient, err = w.showClient(c); err != nil || generated == "" {
			return err
		}
		out.Secret = &apiv1.SecretCreated{Secret: s.showSecret(&c.Secrets[0]), Value: generated.Reveal()}
		return nil
	})
	return out, err
}

// UpdateClient replaces the spec of a client. Roles, assignments and secrets that the spec does not name stay as they are.
func (s *Service) UpdateClient(ctx context.Context, by By, id string, spec apiv1.ClientSpec, e Expect) (apiv1.OAuthClient, error) {
	err := s.execute(ctx, by, func(p *plan) error {
		c, err := p.managed(id)
		if err != nil {
			return err
		}
		return p.ensureClient(c.Organization, &desiredClient{name: c.Name, spec: completeClient(spec, c.Organization != ""), newID: c.ID, expect: e})
	})
	if err != nil {
		return apiv1.OAuthClient{}, err
	}
	return s.Client(ctx, by, id)
}

// DisableClient ends a client's tokens and gives it no more until EnableClient.
func (s *Service) DisableClient(ctx context.Context, by By, id string, e Expect) (apiv1.OAuthClient, error) {
	return s.switchClient(ctx, by, id, e, true)
}

// EnableClient undoes DisableClient; the tokens that it ended stay dead.
func (s *Service) EnableClient(ctx context.Context, by By, id string, e Expect) (apiv1.OAuthClient, error) {
	return s.switchClient(ctx, by, id, e, false)
}

func (s *Service) switchClient(ctx context.Context, by By, id string, e Expect, off bool) (out apiv1.OAuthClient, err error) {
	err = s.update(ctx, by, func(w *work) error {
		c, err := w.managed(id)
		if err != nil {
			return err
		}
		if out, err = w.showClient(c); err != nil {
			return err
		}
		if err := e.check(true, "client", id, out.ETag); err != nil {
			return err
		}
		if off {
			if err := w.disableClient(c); err != nil {
				return err
			}
		} else if c.Disabled {
			c.Disabled = false
			if err := w.PutClient(c); err != nil {
				return err
			}
		}
		out, err = w.showClient(c)
		return err
	})
	return out, err
}

func (w *work) disableClient(c *iam.Client) error {
	if w.by.Subject == c.ID.Subject() {
		return errOwnClient
	}
	c.Disabled = true
	w.end(iam.RevocationRef{Kind: iam.RevokedClient, ID: string(c.ID)})
	return w.PutClient(c)
}

var errOwnClient = iam.Refuse(iam.Conflict, "own_client", "you act by this client: another operator must disable, delete or demote it")

// DeleteClient ends a client: its tokens, its roles, then its record.
func (s *Service) DeleteClient(ctx context.Context, by By, id string, e Expect) error {
	return s.execute(ctx, by, func(p *plan) error {
		c, err := p.managed(id)
		if err != nil {
			return err
		}
		shown, err := p.showClient(c)
		if err != nil {
			return err
		}
		if err := e.check(true, "client", id, shown.ETag); err != nil {
			return err
		}
		return p.deleteClient(c.ID)
	})
}

// deleteClient plans the end of a client. Who may manage it may end all that it holds, wherever that is.
func (p *plan) deleteClient(id iam.ClientID) error {
	c, err := p.work.Client(id)
	if err != nil || c == nil {
		return err
	}
	nodes, err := nodesOf(p.Tx, id.Subject())
	if err != nil {
		return err
	}
	step := func(do func(w *work, c *iam.Client) (diff, error)) error {
		return p.step(func(w *work) (d diff, err error) {
			c, err := w.Client(id)
			if err != nil || c == nil {
				return diff{}, err
			}
			if err := w.mayManage(c.Organization); err != nil {
				return diff{}, err
			}
			err = w.decided(func() error {
				d, err = do(w, c)
				return err
			})
			return d, err
		})
	}
	err = step(func(w *work, c *iam.Client) (diff, error) { return diff{}, w.disableClient(c) })
	if err != nil {
		return err
	}
	for _, n := range nodes {
		err := step(func(w *work, c *iam.Client) (diff, error) { return diff{}, w.drop(n, id.Subject()) })
		if err != nil {
			return err
		}
	}
	return step(func(w *work, c *iam.Client) (diff, error) {
		w.end(iam.RevocationRef{Kind: iam.RevokedClient, ID: string(id)})
		return diff{action: apiv1.ActionDelete}, w.DeleteClient(id)
	})
}

// A desiredClient is what a client shall be. Its spec is complete; newID is its client id if it has to be made and names none.
type desiredClient struct {
	name   string
	spec   apiv1.ClientSpec
	newID  iam.ClientID
	expect Expect
}

// ensureClient plans that a client is what the spec says, and holds what the spec names beside what it holds.
func (p *plan) ensureClient(org iam.NodeID, want *desiredClient) error {
	err := p.step(func(w *work) (diff, error) { return w.ensureClient(org, want) })
	if err := p.goOn(err); err != nil {
		return err
	}
	for i, a := range want.spec.Assignments {
		err := p.step(func(w *work) (diff, error) {
			c, err := w.ClientNamed(org, want.name)
			if err != nil || c == nil {
				return diff{}, err
			}
			n, err := w.node(a.Node)
			if err != nil {
				return diff{}, within(at("assignments", i)+".node", reference(err))
			}
			_, m, err := w.at(n.ID)
			if err != nil {
				return diff{}, err
			}
			_, fresh, err := w.give(m, n.ID, c.ID.Subject(), iam.RoleID(a.Role))
			if err != nil || !fresh {
				return diff{}, within(at("assignments", i), err)
			}
			return diff{action: apiv1.ActionChange, fields: []string{"assignments"}}, nil
		})
		if err := p.goOn(err); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) ensureClient(org iam.NodeID, want *desiredClient) (diff, error) {
	if err := w.mayManage(org); err != nil {
		return diff{}, err
	}
	spec, machine := &want.spec, org != ""
	old, err := w.ClientNamed(org, want.name)
	if err != nil {
		return diff{}, err
	}
	var before apiv1.OAuthClient
	if old != nil {
		if before, err = w.showClient(old); err != nil {
			return diff{}, err
		}
	}
	if err := want.expect.check(old != nil, "client", want.name, before.ETag); err != nil {
		return diff{}, err
	}
	if err := w.checkOwned(spec, old, &before.ClientSpec); err != nil {
		return diff{}, err
	}
	if err := w.s.checkClient(want.name, spec, machine, w.dry); err != nil {
		return diff{}, err
	}
	c := &iam.Client{ID: want.newID, Name: want.name, Organization: org, CreatedAt: w.s.Now().UTC()}
	if old != nil {
		*c = *old
	}
	if err := w.chooseID(c, spec, old != nil); err != nil {
		return diff{}, err
	}
	var f faults
	audiences, err := w.resolveAudiences(&f, spec.Audiences)
	if err != nil {
		return diff{}, err
	}
	if err := f.err(); err != nil {
		return diff{}, err
	}
	fill(c, spec, audiences)
	secrets, err := w.ensureSecrets(c, spec.Secrets)
	if err != nil {
		return diff{}, err
	}
	if w.by.Subject == c.ID.Subject() && (c.Disabled || old != nil && c.PlatformRole != old.PlatformRole) {
		return diff{}, errOwnClient
	}
	if old != nil && loses(old, c) {
		w.end(iam.RevocationRef{Kind: iam.RevokedClient, ID: string(c.ID)})
	}
	d := diff{action: apiv1.ActionCreate}
	if old != nil {
		after, err := w.showClient(c) // its roles are still those of before
		if err != nil {
			return diff{}, err
		}
		if d = changeOf(before.ClientSpec, after.ClientSpec); len(secrets) > 0 {
			d = diff{action: apiv1.ActionChange, fields: append(d.fields, secrets...)}
		}
	}
	if d.action != "" {
		if err := w.PutClient(c); err != nil {
			return diff{}, err
		}
	}
	if !machine {
		return d, nil
	}
	fresh, err := w.machineRole(c, iam.RoleID(spec.Role), old == nil)
	if fresh && old != nil {
		d = diff{action: apiv1.ActionChange, fields: append(d.fields, "role")}
	}
	return d, within("role", err)
}

// chooseID settles the client id of a new client, and refuses another one for an old.
func (w *work) chooseID(c *iam.Client, spec *apiv1.ClientSpec, exists bool) error {
	id := iam.ClientID(spec.ClientID)
	switch {
	case exists && id != "" && id != c.ID:
		return iam.Errorf(iam.Invalid, "client_id: it is %q and never changes", c.ID)
	case exists:
		return nil
	case id != "":
		c.ID = id
	}
	taken, err := w.Client(c.ID)
	if err == nil && taken != nil {
		err = iam.Refuse(iam.Conflict, "client_id_taken", "client id %q is taken", c.ID)
	}
	return err
}

// machineRole gives a client of a node the role that is named or, when it is new, the least: the one for those who join, if
// clients may hold that one, or else the only one that they may.
func (w *work) machineRole(c *iam.Client, role iam.RoleID, isNew bool) (fresh bool, err error) {
	node, m, err := w.at(c.Organization)
	if err != nil || role == "" && !isNew {
		return false, err
	}
	if role == "" {
		var offered []iam.RoleID
		err := w.decide(func(r access.Roster) error {
			offered = m.AssignableBy(r, w.by.Actor, node.ID, iam.SubjectClient)
			return nil
		})
		l := m.Level(node.Level)
		switch {
		case err != nil:
			return false, err
		case l != nil && slices.Contains(offered, l.JoinRole):
			role = l.JoinRole
		case len(offered) == 1:
			role = offered[0]
		default:
			return false, nil
		}
	}
	_, fresh, err = w.give(m, node.ID, c.ID.Subject(), role)
	return fresh, err
}

// loses reports whether a client may do less than before, so that its tokens say too much.
func loses(old, c *iam.Client) bool {
	missing := func(had, has []string) bool {
		return slices.ContainsFunc(had, func(x string) bool { return !slices.Contains(has, x) })
	}
	return c.Disabled && !old.Disabled ||
		old.PlatformRole != "" && c.PlatformRole != old.PlatformRole ||
		missing(old.Audiences, c.Audiences) || missing(old.Scopes, c.Scopes) || len(old.Scopes) == 0 && len(c.Scopes) > 0 ||
		slices.ContainsFunc(old.GrantTypes, func(g iam.GrantType) bool { return !slices.Contains(c.GrantTypes, g) })
}

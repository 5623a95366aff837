package directory

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Connector returns a connector by name.
func (s *Service) Connector(ctx context.Context, name string) (out apiv1.Connector, err error) {
	err = s.view(ctx, func(w *work) error {
		c, err := w.connector(name)
		if err == nil {
			out, err = w.showConnector(c)
		}
		return err
	})
	return out, err
}

// Connectors lists connectors by name.
func (s *Service) Connectors(ctx context.Context, p store.PageOptions) (out apiv1.Page[apiv1.Connector], err error) {
	out.Items = []apiv1.Connector{}
	err = s.view(ctx, func(w *work) error {
		page, err := s.Store.Connectors(ctx, p)
		if err != nil {
			return err
		}
		out.NextPageToken = page.Next
		for _, c := range page.Items {
			shown, err := w.showConnector(c)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, shown)
		}
		return nil
	})
	return out, err
}

// CreateConnector makes a connector.
func (s *Service) CreateConnector(ctx context.Context, by By, n apiv1.NewConnector) (apiv1.Connector, error) {
	return s.putConnector(ctx, by, n.Name, &n.ConnectorSpec, toCreate)
}

// UpdateConnector replaces the spec of a connector. A spec without a secret leaves the secret as it is.
func (s *Service) UpdateConnector(ctx context.Context, by By, name string, spec apiv1.ConnectorSpec, e Expect) (apiv1.Connector, error) {
	return s.putConnector(ctx, by, name, &spec, e)
}

func (s *Service) putConnector(ctx context.Context, by By, name string, spec *apiv1.ConnectorSpec, e Expect) (out apiv1.Connector, err error) {
	err = s.update(ctx, by, func(w *work) error {
		if _, err := w.ensureConnector(name, spec, e); err != nil {
			return err
		}
		c, err := w.Tx.Connector(name)
		if err == nil {
			out, err = w.showConnector(c)
		}
		return err
	})
	return out, err
}

// DeleteConnector ends a connector. The accounts that people have there stay linked, for a connector of that name that comes later.
func (s *Service) DeleteConnector(ctx context.Context, by By, name string, e Expect) error {
	return s.update(ctx, by, func(w *work) error { return w.deleteConnector(name, e) })
}

func (w *work) deleteConnector(name string, e Expect) error {
	if err := w.needOperator("changing connectors"); err != nil {
		return err
	}
	c, err := w.connector(name)
	if err != nil {
		return err
	}
	shown, err := w.showConnector(c)
	if err != nil {
		return err
	}
	if err := e.check(true, "connector", name, shown.ETag); err != nil {
		return err
	}
	w.Safe()
	w.Tx.DeleteConnector(name)
	return nil
}

func (w *work) connector(name string) (*iam.Connector, error) {
	c, err := w.Tx.Connector(name)
	if err == nil && c == nil {
		err = missing("connector", name)
	}
	return c, err
}

func (w *work) ensureConnector(name string, spec *apiv1.ConnectorSpec, e Expect) (diff, error) {
	if err := w.needOperator("changing connectors"); err != nil {
		return diff{}, err
	}
	old, err := w.Tx.Connector(name)
	if err != nil {
		return diff{}, err
	}
	var before apiv1.Connector
	if old != nil {
		if before, err = w.showConnector(old); err != nil {
			return diff{}, err
		}
	}
	if err := e.check(old != nil, "connector", name, before.ETag); err != nil {
		return diff{}, err
	}
	c := &iam.Connector{Name: name, CreatedAt: w.s.Now().UTC()}
	if old != nil {
		*c = *old
	}
	if err := w.describeConnector(c, old, spec); err != nil {
		return diff{}, err
	}
	fresh, err := w.sealConnector(c, spec.ClientSecret)
	if err != nil {
		return diff{}, err
	}
	d := diff{action: apiv1.ActionCreate}
	if old != nil {
		after, err := w.showConnector(c)
		if err != nil {
			return diff{}, err
		}
		d = changeOf(before.ConnectorSpec, after.ConnectorSpec)
		if fresh {
			d.action, d.fields = apiv1.ActionChange, append(d.fields, "client_secret")
		}
		if d.action == "" {
			return d, nil
		}
		w.Safe() // who may get in may be what changes
	}
	return d, w.PutConnector(c)
}

// describeConnector checks a spec and makes the connector what it says, but for the secret.
func (w *work) describeConnector(c, old *iam.Connector, spec *apiv1.ConnectorSpec) error {
	var f faults
	checkConnector(&f, c.Name, old, spec, w.dry)
	mappings, err := w.connectorMappings(&f, spec.Mappings)
	if err != nil {
		return err
	}
	if err := f.err(); err != nil {
		return err
	}
	c.Type, c.DisplayName, c.Issuer = iam.ConnectorType(spec.Type), spec.DisplayName, spec.Issuer
	c.ClientID, c.Scopes, c.SignUp = iam.ClientID(spec.ClientID), spec.Scopes, iam.SignUp(spec.SignUp)
	c.LinkAddress, c.AllowedOrganizations, c.Mappings = spec.LinkVerifiedEmail, spec.AllowedOrganizations, mappings
	c.StrongACR, c.StrongAMR = nil, nil
	if spec.ACR != nil {
		c.StrongACR, c.StrongAMR = spec.ACR.Values, spec.ACR.AMR
	}
	c.ReauthenticateAfter, c.Disabled = time.Duration(spec.ReauthenticateAfter), spec.Disabled
	return nil
}

// connectorMappings resolves the nodes, roles and groups of mappings.
func (w *work) connectorMappings(f *faults, specs []apiv1.ConnectorMapping) (out []iam.ConnectorMapping, err error) {
	for i, m := range specs {
		n, model, err := w.nodeAndModel(m.Organization)
		if iam.KindOf(err) == iam.NotFound && err != nil {
			f.take(at("mappings", i)+".organization", reference(err))
			continue
		}
		if err != nil {
			return nil, err
		}
		if m.Role != "" {
			f.take(at("mappings", i)+".role", w.knownRole(model, n, iam.RoleID(m.Role)))
		}
		if m.Group != "" {
			if _, err := w.groupAt(model, n.ID, m.Group); err != nil {
				if !refused(err) {
					return nil, err
				}
				f.take(at("mappings", i)+".group", err)
			}
		}
		out = append(out, iam.ConnectorMapping{Claim: m.Claim, Value: m.Value, Node: n.ID, Role: iam.RoleID(m.Role), Group: m.Group})
	}
	return out, nil
}

// sealConnector gives a connector its secret, and reports whether it had another before.
func (w *work) sealConnector(c *iam.Connector, ref *apiv1.SecretRef) (fresh bool, err error) {
	if ref == nil {
		return false, nil
	}
	if c.Sealed != nil {
		old, err := w.s.Sealer.Open(iam.ConnectorSecretPurpose, c.Name, c.Sealed)
		if err != nil {
			return false, fmt.Errorf("the secret of connector %q: %w", c.Name, err)
		}
		if subtle.ConstantTimeCompare(old, []byte(ref.Value)) == 1 && !w.s.Sealer.Stale(c.Sealed) {
			return false, nil
		}
	}
	if w.dry {
		return true, nil // nobody will read it
	}
	c.Sealed, err = w.s.Sealer.Seal(iam.ConnectorSecretPurpose, c.Name, []byte(ref.Value))
	return true, err
}

// showConnector shows a connector. A mapping to what is gone gives nobody anything, and is not shown.
func (w *work) showConnector(c *iam.Connector) (apiv1.Connector, error) {
	out := apiv1.Connector{Name: c.Name, CallbackURL: w.s.Issuer + "/login/" + c.Name + "/callback", CreatedAt: c.CreatedAt, ConnectorSpec: apiv1.ConnectorSpec{
		Type: string(c.Type), DisplayName: c.DisplayName, Issuer: c.Issuer, ClientID: string(c.ClientID), Scopes: c.Scopes,
		SignUp: string(c.SignUp), LinkVerifiedEmail: c.LinkAddress, AllowedOrganizations: c.AllowedOrganizations,
		ReauthenticateAfter: apiv1.Duration(c.ReauthenticateAfter), Disabled: c.Disabled,
	}}
	if len(c.StrongACR)+len(c.StrongAMR) > 0 {
		out.ACR = &apiv1.ConnectorACR{Values: c.StrongACR, AMR: c.StrongAMR}
	}
	for _, m := range c.Mappings {
		path, err := w.pathOf(m.Node)
		if err != nil {
			return out, err
		}
		if path == "" {
			continue
		}
		out.Mappings = append(out.Mappings, apiv1.ConnectorMapping{Claim: m.Claim, Value: m.Value, Organization: path, Role: string(m.Role), Group: m.Group})
	}
	out.ETag = etag(out)
	return out, nil
}

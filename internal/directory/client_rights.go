package directory

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// client returns a client that must exist.
func (w *work) client(id string) (*iam.Client, error) {
	c, err := w.Client(iam.ClientID(id))
	if err == nil && c == nil {
		err = missing("client", id)
	}
	return c, err
}

// managed returns a client that the caller may manage. One that is not his to know of is missing, as one that does not exist.
func (w *work) managed(id string) (*iam.Client, error) {
	c, err := w.client(id)
	if err != nil {
		return nil, err
	}
	itself := c.ID.Subject() == w.by.Subject
	if w.by.Authority == access.ByModel && c.Organization == "" && !itself {
		return nil, missing("client", id)
	}
	err = w.mayManage(c.Organization)
	if err != nil && iam.KindOf(err) == iam.NotFound {
		if itself {
			return nil, iam.Errorf(iam.Forbidden, "a client may read itself, and change nothing of itself")
		}
		return nil, missing("client", id)
	}
	return c, err
}

// mayManage refuses who may not manage the clients of a node, or of the platform.
func (w *work) mayManage(home iam.NodeID) error {
	if home == "" {
		return w.needOperator("changing platform clients")
	}
	n, m, err := w.at(home)
	if err != nil {
		return err
	}
	known, err := w.knows(n)
	if err == nil && !known {
		err = missing("node", string(home))
	}
	if err != nil {
		return err
	}
	return w.decide(func(r access.Roster) error { return m.ManageClients(r, w.by.Actor, home) })
}

// codeOperatorOnly is the code of refusals to set what an owner of clients may not.
const codeOperatorOnly = "operator_only"

// operatorOnly are the fields of a client that only operators set: those of signing people in, and those that reach beyond the
// organization.
var operatorOnly = []string{
	"client_id", "platform_role", "redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "allowed_origins",
	"application_type", "id_token_signed_response_alg", "require_pkce", "consent", "organization_choice", "organization_switch",
}

// checkOwned refuses a caller who acts by the access model what only operators may set. What an operator has set stays: before is
// how the client is shown to the caller, and old is nil when there is none.
func (w *work) checkOwned(spec *apiv1.ClientSpec, old *iam.Client, before *apiv1.ClientSpec) error {
	if w.by.Authority != access.ByModel {
		return nil
	}
	after := *spec
	if old != nil && after.ClientID == "" {
		after.ClientID = before.ClientID
	}
	var fields []iam.Field
	for _, name := range changed(before, &after) {
		if slices.Contains(operatorOnly, name) {
			fields = append(fields, iam.Field{Path: name, Message: "only an operator may set it"})
		}
	}
	for i, s := range spec.Secrets {
		if tooShort(s.Value) {
			fields = append(fields, iam.Field{Path: at("secrets", i) + ".value", Message: shortSecret})
		}
	}
	return operatorMust(fields)
}

// shortSecret says why an owner may not import a secret. A short one is argon2id on every first use, on the installation's account.
const shortSecret = "only an operator may import a secret of fewer than 32 characters; leave it out to have one generated"

func tooShort(value string) bool { return value != "" && len(value) < secret.MinKeyed }

// operatorMust is the refusal of fields that are an operator's to set, nil when there are none.
func operatorMust(fields []iam.Field) error {
	if len(fields) == 0 {
		return nil
	}
	e := iam.Refuse(iam.Forbidden, codeOperatorOnly, "%s: %s", fields[0].Path, fields[0].Message)
	e.Fields = fields
	return e
}

// decided does what follows from a right of the caller that was decided already: rights are not asked again, and invariants hold.
func (w *work) decided(do func() error) error {
	authority := w.by.Authority
	w.by.Authority = max(authority, access.ByOperator)
	defer func() { w.by.Authority = authority }()
	return do()
}

// assignable returns the client that an assignment at a node names. A caller who acts by the access model names those of the
// node's organization and those that hold something at the node: others do not exist for him.
func (w *work) assignable(n iam.NodeID, id string) (iam.Subject, error) {
	c, err := w.client(id)
	if err != nil {
		return iam.Subject{}, reference(err)
	}
	sub := c.ID.Subject()
	if w.by.Authority != access.ByModel || sub == w.by.Subject {
		return sub, nil
	}
	var here, home iam.NodeID
	var held []iam.RoleID
	err = w.Peek(func() (err error) {
		if held, err = w.Roles(n, sub); err != nil {
			return err
		}
		if here, err = w.organizationOf(n); err != nil || c.Organization == "" {
			return err
		}
		home, err = w.organizationOf(c.Organization)
		return err
	})
	if err == nil && len(held) == 0 && (home == "" || home != here) {
		err = reference(missing("client", id))
	}
	return sub, err
}

// organizationOf returns the organization that a node is or lies in, "" when it lies in none.
func (w *work) organizationOf(id iam.NodeID) (iam.NodeID, error) {
	path, err := w.Path(id)
	if err != nil {
		return "", err
	}
	for _, n := range path {
		if n.Level == iam.LevelOrganization {
			return n.ID, nil
		}
	}
	return "", nil
}

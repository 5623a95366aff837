package directory

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// checkConnector refuses what a connector cannot be. old is what it was, nil when it is new.
func checkConnector(f *faults, name string, old *iam.Connector, spec *apiv1.ConnectorSpec, dry bool) {
	f.take("name", checkName("connector", name))
	if name == iam.ConnectorEmail || name == "dev" {
		f.add("name", "%q is one of ours: addresses, and the sign-in link of a developer", name)
	}
	kind := iam.ConnectorType(spec.Type)
	switch {
	case kind != iam.ConnectorGitHub && kind != iam.ConnectorOIDC:
		f.add("type", "%.40q: want github or oidc", spec.Type)
	case old != nil && kind != old.Type:
		f.add("type", "it is %s and never changes: the accounts are those of one provider", old.Type)
	case old != nil && spec.Issuer != old.Issuer:
		f.add("issuer", "it is %q and never changes: the accounts are those of one provider; make another connector", old.Issuer)
	case kind == iam.ConnectorOIDC || spec.Issuer != "":
		checkProvider(f, spec.Issuer)
	}
	checkText(f, "display_name", spec.DisplayName, 60)
	if id := spec.ClientID; id == "" || len(id) > 200 || !printable(id) || strings.Contains(id, " ") {
		f.add("client_id", "want 1 to 200 printable characters: what the provider calls us")
	}
	switch {
	case spec.ClientSecret != nil:
		checkSecretValue(f, "client_secret", *spec.ClientSecret, dry)
	case kind == iam.ConnectorGitHub && (old == nil || old.Sealed == nil):
		f.add("client_secret", "required: GitHub gives no token without it")
	}
	checkScopes(f, spec.Scopes)
	if kind == iam.ConnectorOIDC && len(spec.Scopes) > 0 && !slices.Contains(spec.Scopes, "openid") {
		f.add("scopes", "want openid among them: without it there is no ID token")
	}
	if r := iam.SignUp(spec.SignUp); r != "" && r != iam.SignUpInvited && r != iam.SignUpMapped && r != iam.SignUpAnyone {
		f.add("sign_up", "%.40q: want invited, mapped or anyone", spec.SignUp)
	}
	if len(spec.AllowedOrganizations) > 0 && kind != iam.ConnectorGitHub {
		f.add("allowed_organizations", "only GitHub has them")
	}
	checkValues(f, "allowed_organizations", spec.AllowedOrganizations)
	if spec.ACR != nil {
		if kind != iam.ConnectorOIDC {
			f.add("acr", "GitHub does not say how somebody has signed in")
		}
		checkValues(f, "acr.values", spec.ACR.Values)
		checkValues(f, "acr.amr", spec.ACR.AMR)
	}
	if len(spec.Mappings) > maxMappings {
		f.add("mappings", "%d are more than %d", len(spec.Mappings), maxMappings)
	}
	for i, m := range spec.Mappings {
		checkValues(f, at("mappings", i)+".claim", []string{m.Claim})
		checkValues(f, at("mappings", i)+".value", []string{m.Value})
		if m.Role == "" && m.Group == "" {
			f.add(at("mappings", i), "want a role, a group, or both")
		}
		if kind == iam.ConnectorGitHub && m.Claim != "groups" {
			f.add(at("mappings", i)+".claim", "%.40q: GitHub has groups", m.Claim)
		}
	}
	if d := time.Duration(spec.ReauthenticateAfter); d != 0 && (d < time.Minute || d%time.Second != 0) {
		f.add("reauthenticate_after", "%s: want whole seconds, a minute or more", spec.ReauthenticateAfter)
	}
}

// maxMappings bounds how much one sign-in may change.
const maxMappings = 100

func checkValues(f *faults, path string, values []string) {
	if len(values) > maxList {
		f.add(path, "%d are more than %d", len(values), maxList)
	}
	for i, v := range values {
		if v == "" || len(v) > 200 || !printable(v) {
			f.add(at(path, i), "want 1 to 200 printable characters")
		}
		if slices.Contains(values[:i], v) {
			f.add(at(path, i), "%.40q is in the list already", v)
		}
	}
}

// checkProvider wants an https URL that can be an issuer (OIDC Discovery §3); http does for a provider on this machine.
func checkProvider(f *faults, issuer string) {
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		f.add("issuer", "required: the issuer of the OpenID provider, as its discovery document says it")
	case err != nil || len(issuer) > 200 || !printable(issuer) || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.ContainsAny(issuer, "#?"):
		f.add("issuer", "%.80q: want a URL without user, query and fragment", issuer)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		f.add("issuer", "%.80q: want https", issuer)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// knownRole refuses a role that nobody can hold at a node.
func (w *work) knownRole(m *access.Model, n *iam.Node, role iam.RoleID) error {
	l := m.Level(n.Level)
	if l != nil && slices.ContainsFunc(l.Roles, func(r access.RoleSchema) bool { return r.ID == role }) {
		return nil
	}
	for id := n.ID; id != ""; {
		defined, err := w.CustomRoles(id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(defined, func(c *iam.CustomRole) bool { return c.ID == role && c.Level == n.Level }) {
			return nil
		}
		at, err := w.Node(id)
		if err != nil || at == nil {
			return err
		}
		id = at.Parent
	}
	return iam.Errorf(iam.Invalid, "%.40q is no role at %s %q", string(role), n.Level, n.Name)
}

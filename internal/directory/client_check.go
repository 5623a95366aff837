package directory

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/keys"
)

var grantTypes = []iam.GrantType{
	iam.GrantClientCredentials, iam.GrantAuthorizationCode, iam.GrantRefreshToken, iam.GrantDeviceCode, iam.GrantTokenExchange, iam.GrantJWTBearer,
}

// forPeople are the grants that sign people in, which a machine of an organization does not.
var forPeople = []iam.GrantType{iam.GrantAuthorizationCode, iam.GrantRefreshToken, iam.GrantDeviceCode}

// completeClient fills in what a spec leaves out and depends on nothing but the spec.
func completeClient(spec apiv1.ClientSpec, machine bool) apiv1.ClientSpec {
	if spec.GrantTypes == nil {
		spec.GrantTypes = []string{string(iam.GrantAuthorizationCode)}
		if machine || spec.PlatformRole != "" {
			spec.GrantTypes = []string{string(iam.GrantClientCredentials)}
		}
	}
	if spec.TokenEndpointAuthMethod == "" {
		spec.TokenEndpointAuthMethod = string(iam.AuthBasic)
	}
	return spec
}

// checkClient refuses what a client's own fields say that cannot be, or cannot be together. spec is complete.
func (s *Service) checkClient(name string, spec *apiv1.ClientSpec, machine, dry bool) error {
	var f faults
	f.take("name", checkName("client", name))
	if spec.ClientID != "" {
		f.take("client_id", iam.CheckClientID(iam.ClientID(spec.ClientID)))
	}
	s.checkGrants(&f, spec, machine)
	checkScopes(&f, spec.Scopes)
	checkPlatformRole(&f, spec.PlatformRole)
	public := spec.TokenEndpointAuthMethod == string(iam.AuthNone)
	switch {
	case spec.PlatformRole != "" && machine:
		f.add("platform_role", "is for platform clients, and this one belongs to an organization")
	case spec.PlatformRole != "" && public:
		f.add("platform_role", "is not for a client without a credential")
	}
	if spec.Role != "" && !machine {
		f.add("role", "is what a client of an organization holds there: use assignments")
	}
	if len(spec.Audiences) > maxList {
		f.add("audiences", "%d are more than %d", len(spec.Audiences), maxList)
	}
	checkURIs(&f, spec)
	if t := spec.ApplicationType; t != "" && t != "web" && t != "native" {
		f.add("application_type", "%.40q: want web or native", t)
	}
	if alg := spec.IDTokenSigningAlg; alg != "" && !slices.Contains(s.Algorithms, keys.Alg(alg)) {
		f.add("id_token_signed_response_alg", "%.40q: the installation has keys for %v", alg, s.Algorithms)
	}
	if spec.RequirePKCE != nil && !*spec.RequirePKCE && public {
		f.add("require_pkce", "a client without a credential cannot do without")
	}
	if spec.Consent != "" && spec.Consent != "implicit" {
		f.add("consent", "%.40q: want implicit, or nothing", spec.Consent)
	}
	if spec.OrganizationChoice != "" && spec.OrganizationChoice != "required" {
		f.add("organization_choice", "%.40q: want required, or nothing", spec.OrganizationChoice)
	}
	checkSecrets(&f, spec, public, dry)
	return f.err()
}

func (s *Service) checkGrants(f *faults, spec *apiv1.ClientSpec, machine bool) {
	has := func(g iam.GrantType) bool { return slices.Contains(spec.GrantTypes, string(g)) }
	if len(spec.GrantTypes) == 0 {
		f.add("grant_types", "is empty: the client could get no token")
	}
	for i, g := range spec.GrantTypes {
		switch {
		case !slices.Contains(grantTypes, iam.GrantType(g)):
			f.add(at("grant_types", i), "%.80q: want some of %v", g, grantTypes)
		case machine && slices.Contains(forPeople, iam.GrantType(g)):
			f.add(at("grant_types", i), "%s signs people in: make a platform client", g)
		case slices.Contains(spec.GrantTypes[:i], g):
			f.add(at("grant_types", i), "%s is in the list already", g)
		}
	}
	switch m := iam.AuthMethod(spec.TokenEndpointAuthMethod); m {
	case iam.AuthBasic, iam.AuthPost:
	case iam.AuthNone:
		if has(iam.GrantClientCredentials) {
			f.add("token_endpoint_auth_method", "none proves nothing, and client_credentials lives on the client's proof (RFC 6749 §4.4)")
		}
	default:
		f.add("token_endpoint_auth_method", "%.40q: want client_secret_basic, client_secret_post or none", string(m))
	}
	if has(iam.GrantAuthorizationCode) && len(spec.RedirectURIs) == 0 {
		f.refuse(codeRedirectURI, "redirect_uris", "required for authorization_code")
	}
	if has(iam.GrantRefreshToken) && !has(iam.GrantAuthorizationCode) && !has(iam.GrantDeviceCode) {
		f.add("grant_types", "refresh_token needs authorization_code or the device grant")
	}
}

// maxSecrets is how many secrets of a client may live at once.
const maxSecrets = 10

func checkSecrets(f *faults, spec *apiv1.ClientSpec, public, dry bool) {
	if len(spec.Secrets) > 0 && public {
		f.add("secrets", "a client with token_endpoint_auth_method none has none")
	}
	if len(spec.Secrets) > maxSecrets {
		f.add("secrets", "%d are more than %d", len(spec.Secrets), maxSecrets)
	}
	seen := make(map[string]bool, len(spec.Secrets))
	for i, sec := range spec.Secrets {
		path := at("secrets", i)
		f.take(path+".name", checkName("secret", sec.Name))
		if seen[sec.Name] {
			f.add(path+".name", "%q is in the list already", sec.Name)
		}
		seen[sec.Name] = true
		checkSecretValue(f, path, sec.SecretRef, dry)
	}
}

// checkSecretValue wants a value that survives a form and a header; RFC 6749 §A.2 asks for ASCII, and clients that come from
// elsewhere do not always keep to it. On paper it may be one that does not exist yet. The value is never shown.
func checkSecretValue(f *faults, path string, ref apiv1.SecretRef, dry bool) {
	switch {
	case ref.FromEnv+ref.FromFile+ref.WriteTo != "":
		f.add(path, "the server does not fetch secrets: send the value")
	case ref.Value == "" && !dry:
		f.add(path, "the value is missing")
	case len(ref.Value) > secret.MaxLength:
		f.add(path, "%d bytes are more than %d", len(ref.Value), secret.MaxLength)
	case path != "password" && !printable(ref.Value):
		f.add(path, "want printable characters only")
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// resolveAudiences turns names into identifiers.
func (w *work) resolveAudiences(f *faults, refs []string) ([]string, error) {
	var out []string
	err := w.Peek(func() error {
		for i, ref := range refs {
			id := ref
			if ref != w.s.Issuer+"/api/v1" {
				a, err := w.audience(ref)
				if err != nil && iam.KindOf(err) != iam.NotFound {
					return err
				}
				if a == nil {
					f.refuse("unknown_reference", at("audiences", i), "there is no audience %.120q", ref)
					continue
				}
				id = a.Identifier
			}
			if slices.Contains(out, id) {
				f.add(at("audiences", i), "%.120q is in the list already", ref)
				continue
			}
			out = append(out, id)
		}
		return nil
	})
	return out, err
}

func grantsOf(list []string) []iam.GrantType {
	out := make([]iam.GrantType, len(list))
	for i, g := range list {
		out[i] = iam.GrantType(g)
	}
	return out
}

// fill writes what a complete spec says into the record.
func fill(c *iam.Client, spec *apiv1.ClientSpec, audiences []string) {
	c.Disabled, c.PlatformRole = spec.Disabled, iam.PlatformRole(spec.PlatformRole)
	c.GrantTypes, c.AuthMethod = grantsOf(spec.GrantTypes), iam.AuthMethod(spec.TokenEndpointAuthMethod)
	c.StrictAuthMethod = spec.StrictAuthMethod
	c.Audiences, c.Scopes, c.RedirectURIs = audiences, spec.Scopes, spec.RedirectURIs
	web := iam.WebClient{
		ApplicationType: spec.ApplicationType, PostLogoutRedirectURIs: spec.PostLogoutRedirectURIs,
		BackchannelLogoutURI: spec.BackchannelLogoutURI, AllowedOrigins: spec.AllowedOrigins,
		IDTokenSigningAlg: spec.IDTokenSigningAlg, OptionalPKCE: spec.RequirePKCE != nil && !*spec.RequirePKCE,
		Consent: spec.Consent, Organization: spec.OrganizationChoice, OrganizationSwitch: spec.OrganizationSwitch,
	}
	c.Web = nil
	if !reflect.ValueOf(web).IsZero() {
		c.Web = &web
	}
}

package directory

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/keys"
)

// Audience returns an audience by name or identifier.
func (s *Service) Audience(ctx context.Context, ref string) (out apiv1.Audience, err error) {
	err = s.view(ctx, func(w *work) error {
		a, err := w.audience(ref)
		if err != nil {
			return err
		}
		out = showAudience(a)
		return nil
	})
	return out, err
}

// Audiences lists audiences by name. Who has no platform role sees what clients need to ask for a token.
func (s *Service) Audiences(ctx context.Context, by By, p store.PageOptions) (apiv1.Page[apiv1.Audience], error) {
	page, err := s.Store.Audiences(ctx, p)
	return show(page, err, func(a *iam.Audience) (apiv1.Audience, error) {
		shown := showAudience(a)
		if by.Authority == access.ByModel {
			shown = apiv1.Audience{Name: a.Name, AudienceSpec: apiv1.AudienceSpec{Identifier: a.Identifier, Scopes: a.Scopes}}
		}
		return shown, nil
	})
}

// CreateAudience makes an audience.
func (s *Service) CreateAudience(ctx context.Context, by By, n apiv1.NewAudience) (apiv1.Audience, error) {
	return s.putAudience(ctx, by, n.Name, &n.AudienceSpec, toCreate)
}

// UpdateAudience replaces the spec of an audience. Its identifier stays.
func (s *Service) UpdateAudience(ctx context.Context, by By, name string, spec apiv1.AudienceSpec, e Expect) (apiv1.Audience, error) {
	return s.putAudience(ctx, by, name, &spec, e)
}

func (s *Service) putAudience(ctx context.Context, by By, name string, spec *apiv1.AudienceSpec, e Expect) (out apiv1.Audience, err error) {
	err = s.update(ctx, by, func(w *work) error {
		if _, err := w.ensureAudience(name, spec, e); err != nil {
			return err
		}
		a, err := w.AudienceNamed(name)
		if err == nil {
			out = showAudience(a)
		}
		return err
	})
	return out, err
}

// DeleteAudience ends an audience. Clients that list it can no longer ask for it; tokens that are out live to their end.
func (s *Service) DeleteAudience(ctx context.Context, by By, ref string, e Expect) error {
	return s.update(ctx, by, func(w *work) error { return w.deleteAudience(ref, e) })
}

func (w *work) deleteAudience(ref string, e Expect) error {
	if err := w.needOperator("changing audiences"); err != nil {
		return err
	}
	a, err := w.audience(ref)
	if err != nil {
		return err
	}
	if err := e.check(true, "audience", ref, etag(showAudience(a))); err != nil {
		return err
	}
	w.Safe()
	return w.DeleteAudience(a.Identifier)
}

// audience resolves a name or an identifier.
func (w *work) audience(ref string) (*iam.Audience, error) {
	a, err := w.Audience(ref)
	if err != nil || a != nil {
		return a, err
	}
	if a, err = w.AudienceNamed(ref); err == nil && a == nil {
		err = missing("audience", ref)
	}
	return a, err
}

// needOperator refuses those who act by an access model: what is about the whole installation is not in any.
func (w *work) needOperator(what string) error {
	if w.by.Authority == access.ByModel {
		return iam.Errorf(iam.Forbidden, "%s: only an operator may", what)
	}
	return nil
}

func (w *work) ensureAudience(name string, spec *apiv1.AudienceSpec, e Expect) (diff, error) {
	if err := w.needOperator("changing audiences"); err != nil {
		return diff{}, err
	}
	old, err := w.AudienceNamed(name)
	if err != nil {
		return diff{}, err
	}
	tag := ""
	if old != nil {
		tag = etag(showAudience(old))
	}
	if err := e.check(old != nil, "audience", name, tag); err != nil {
		return diff{}, err
	}
	if err := w.s.checkAudience(name, spec, old); err != nil {
		return diff{}, err
	}
	a := &iam.Audience{CreatedAt: w.s.Now().UTC()}
	if old != nil {
		*a = *old
	} else if taken, err := w.Audience(spec.Identifier); err != nil {
		return diff{}, err
	} else if taken != nil {
		return diff{}, iam.Refuse(iam.Conflict, "identifier_taken", "the identifier %q is that of audience %q", spec.Identifier, taken.Name)
	}
	a.Identifier, a.Name = spec.Identifier, name
	a.TokenLifetime, a.SigningAlg, a.Scopes = time.Duration(spec.TokenLifetime), spec.SigningAlg, spec.Scopes
	a.ResourceServers = nil
	for _, id := range spec.ResourceServers {
		a.ResourceServers = append(a.ResourceServers, iam.ClientID(id))
	}
	d := diff{action: apiv1.ActionCreate}
	if old != nil {
		before, after := showAudience(old), showAudience(a)
		if d = changeOf(before.AudienceSpec, after.AudienceSpec); d.action == "" {
			return d, nil
		}
		w.Safe() // a resource server, a scope or a longer life may be what goes
	}
	return d, w.PutAudience(a)
}

func changeOf(before, after any) diff {
	if fields := changed(before, after); len(fields) > 0 {
		return diff{action: apiv1.ActionChange, fields: fields}
	}
	return diff{}
}

func (s *Service) checkAudience(name string, spec *apiv1.AudienceSpec, old *iam.Audience) error {
	var f faults
	f.take("name", checkName("audience", name))
	switch {
	case old != nil && spec.Identifier != old.Identifier:
		f.add("identifier", "it is %q and never changes", old.Identifier)
	default:
		s.checkIdentifier(&f, spec.Identifier)
	}
	if l := time.Duration(spec.TokenLifetime); l != 0 && (l < time.Second || l > iam.MaxTokenLifetime || l%time.Second != 0) {
		f.add("token_lifetime", "%s: want whole seconds from 1s to %s", spec.TokenLifetime, apiv1.Duration(iam.MaxTokenLifetime))
	}
	if spec.SigningAlg != "" && !slices.Contains(s.Algorithms, keys.Alg(spec.SigningAlg)) {
		f.add("signing_alg", "%q: the installation has keys for %v", spec.SigningAlg, s.Algorithms)
	}
	checkScopes(&f, spec.Scopes)
	if len(spec.ResourceServers) > maxList {
		f.add("resource_servers", "%d are more than %d", len(spec.ResourceServers), maxList)
	}
	for i, id := range spec.ResourceServers {
		f.take(at("resource_servers", i), iam.CheckClientID(iam.ClientID(id)))
		if slices.Contains(spec.ResourceServers[:i], id) {
			f.add(at("resource_servers", i), "%q is in the list already", id)
		}
	}
	return f.err()
}

// checkIdentifier wants an absolute URI without a fragment (RFC 8707 §2) that is none of our own.
func (s *Service) checkIdentifier(f *faults, id string) {
	u, err := url.Parse(id)
	switch {
	case id == "":
		f.add("identifier", "required: the absolute URI that is the aud of its tokens")
	case len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return r <= 0x20 || r >= 0x7f || strings.ContainsRune(`{};"\<>^|`+"`", r) }):
		f.add("identifier", "want at most 200 characters of a URI")
	case err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" || strings.Contains(id, "#"):
		f.add("identifier", "%q: want an absolute URI without a fragment, as in https://hub.example/api", id)
	case id == s.Issuer || strings.HasPrefix(id, s.Issuer+"/api/v1") || strings.HasPrefix(id, s.Issuer+"/userinfo"):
		f.add("identifier", "%q is one of Gatehouse itself", id)
	}
}

// maxList is how many entries a list of names in a record may have.
const maxList = 200

// checkScopes wants scope-tokens of RFC 6749 §3.3, each once.
func checkScopes(f *faults, scopes []string) {
	if len(scopes) > maxList {
		f.add("scopes", "%d are more than %d", len(scopes), maxList)
	}
	for i, scope := range scopes {
		if scope == "" || len(scope) > 128 || strings.ContainsFunc(scope, func(r rune) bool { return r <= 0x20 || r >= 0x7f || r == '"' || r == '\\' }) {
			f.add(at("scopes", i), "%.40q: want 1 to 128 printable characters without space, quote and backslash", scope)
		}
		if slices.Contains(scopes[:i], scope) {
			f.add(at("scopes", i), "%.40q is in the list already", scope)
		}
	}
}

func showAudience(a *iam.Audience) apiv1.Audience {
	out := apiv1.Audience{Name: a.Name, CreatedAt: a.CreatedAt, AudienceSpec: apiv1.AudienceSpec{
		Identifier: a.Identifier, TokenLifetime: apiv1.Duration(a.TokenLifetime), SigningAlg: a.SigningAlg, Scopes: a.Scopes,
	}}
	for _, id := range a.ResourceServers {
		out.ResourceServers = append(out.ResourceServers, string(id))
	}
	out.ETag = etag(out)
	return out
}

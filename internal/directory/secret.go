package directory

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/secret"
)

// ClientSecrets lists the secrets of a client, those that have ended among them until the next change.
func (s *Service) ClientSecrets(ctx context.Context, by By, id string) (out apiv1.Page[apiv1.Secret], err error) {
	out.Items = []apiv1.Secret{}
	err = s.viewBy(ctx, by, func(w *work) error {
		c, err := w.managed(id)
		if err != nil {
			return err
		}
		for i := range c.Secrets {
			out.Items = append(out.Items, s.showSecret(&c.Secrets[i]))
		}
		return s.showUses(ctx, c.ID, out.Items)
	})
	return out, err
}

// showUses fills in when secrets were last used, where that is known.
func (s *Service) showUses(ctx context.Context, id iam.ClientID, secrets []apiv1.Secret) error {
	if s.LastUsed == nil || len(secrets) == 0 {
		return nil
	}
	ids := make([]iam.SecretID, len(secrets))
	for i := range secrets {
		ids[i] = iam.SecretID(secrets[i].ID)
	}
	uses, err := s.LastUsed(ctx, id, ids...)
	if err != nil {
		return err
	}
	for i := range secrets {
		secrets[i].LastUsedAt = uses[ids[i]]
	}
	return nil
}

// RotateSecret makes a new secret of a client, which is returned once, and schedules the end of the others.
func (s *Service) RotateSecret(ctx context.Context, by By, id string, r apiv1.SecretRotation) (out apiv1.SecretCreated, err error) {
	value := secret.Secret(r.Value)
	if err := s.checkRotation(&r); err != nil {
		return out, err
	}
	if r.Value == "" {
		value = secret.New(secret.ClientSecret)
	}
	hash, err := s.Secrets.Hash(ctx, value.Reveal())
	if err != nil {
		return out, err
	}
	err = s.update(ctx, by, func(w *work) error {
		c, err := w.managed(id)
		if err != nil {
			return err
		}
		if by.Authority == access.ByModel && tooShort(r.Value) {
			return operatorMust([]iam.Field{{Path: "value", Message: shortSecret}})
		}
		if c.Public() {
			return iam.Refuse(iam.Conflict, "public_client", "client %q has token_endpoint_auth_method none and therefore no secret", id)
		}
		now := s.Now().UTC()
		c.Secrets = live(c.Secrets, now)
		name := r.Name
		if name == "" {
			name = freeName(c.Secrets)
		}
		if slices.ContainsFunc(c.Secrets, func(x iam.Secret) bool { return x.Name == name }) {
			return iam.Refuse(iam.Conflict, "name_taken", "client %q has a secret %q already", id, name)
		}
		if len(c.Secrets) >= maxSecrets {
			return tooManySecrets(c)
		}
		if r.ExpireOldAfter != nil {
			w.Safe()
			c.Secrets = expire(c.Secrets, now, now.Add(time.Duration(*r.ExpireOldAfter)))
		}
		fresh := iam.Secret{ID: iam.SecretID(iam.NewID("s")), Name: name, Hash: hash, CreatedAt: now, ExpiresAt: r.ExpiresAt}
		c.Secrets = append(c.Secrets, fresh)
		out = apiv1.SecretCreated{Secret: s.showSecret(&fresh)}
		if r.Value == "" {
			out.Value = value.Reveal()
		}
		return w.PutClient(c)
	})
	return out, err
}

func (s *Service) checkRotation(r *apiv1.SecretRotation) error {
	var f faults
	if r.Name != "" {
		f.take("name", checkName("secret", r.Name))
	}
	if r.Value != "" {
		checkSecretValue(&f, "value", apiv1.SecretRef{Value: r.Value}, false)
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(s.Now()) {
		f.add("expires_at", "%s is in the past", r.ExpiresAt.Format(time.RFC3339))
	}
	if r.ExpireOldAfter != nil && time.Duration(*r.ExpireOldAfter) > 366*24*time.Hour {
		f.add("expire_old_after", "%s is longer than a year", *r.ExpireOldAfter)
	}
	return f.err()
}

// DeleteSecret ends a secret, by id or name, at once. The tokens that were got with it live on: see Revoke.
func (s *Service) DeleteSecret(ctx context.Context, by By, id, ref string) error {
	return s.update(ctx, by, func(w *work) error {
		c, err := w.managed(id)
		if err != nil {
			return err
		}
		before := len(c.Secrets)
		c.Secrets = slices.DeleteFunc(c.Secrets, func(x iam.Secret) bool { return string(x.ID) == ref || x.Name == ref })
		if len(c.Secrets) == before {
			return missing("secret", ref)
		}
		w.Safe()
		return w.PutClient(c)
	})
}

// ensureSecrets makes a client have these secrets beside the live ones that it has, and returns the fields that change.
func (w *work) ensureSecrets(c *iam.Client, specs []apiv1.SecretSpec) (fields []string, err error) {
	now := w.s.Now().UTC()
	if c.Public() {
		c.Secrets = nil
		return nil, nil
	}
	secrets := live(c.Secrets, now)
	for _, spec := range specs {
		i := slices.IndexFunc(secrets, func(x iam.Secret) bool { return x.Name == spec.Name })
		if !spec.ExpiresAt.IsZero() && !spec.ExpiresAt.After(now) {
			if i >= 0 { // it was to end, and does
				secrets = slices.Delete(secrets, i, i+1)
				fields = append(fields, "secrets["+spec.Name+"]")
			}
			continue
		}
		if i >= 0 && spec.Value != "" {
			same, err := w.s.Secrets.Verify(w.ctx, secrets[i].Hash, spec.Value)
			if err != nil {
				return nil, err
			}
			if same && secrets[i].ExpiresAt.Equal(spec.ExpiresAt) {
				continue
			}
		}
		fields = append(fields, "secrets["+spec.Name+"]")
		fresh := iam.Secret{ID: iam.SecretID(iam.NewID("s")), Name: spec.Name, CreatedAt: now, ExpiresAt: spec.ExpiresAt}
		if !w.dry {
			if fresh.Hash, err = w.s.Secrets.Hash(w.ctx, spec.Value); err != nil {
				return nil, err
			}
		}
		if i >= 0 {
			w.Safe()
			secrets[i] = fresh
			continue
		}
		secrets = append(secrets, fresh)
	}
	if len(secrets) > maxSecrets {
		return nil, tooManySecrets(c)
	}
	c.Secrets = secrets
	return fields, nil
}

func tooManySecrets(c *iam.Client) error {
	return iam.Refuse(iam.Conflict, "too_many_secrets", "client %q has %d secrets, and more may not live at once: end one first", c.ID, maxSecrets)
}

// live drops the secrets that have ended.
func live(secrets []iam.Secret, now time.Time) []iam.Secret {
	return slices.DeleteFunc(slices.Clone(secrets), func(x iam.Secret) bool { return !x.ExpiresAt.IsZero() && !now.Before(x.ExpiresAt) })
}

// expire makes secrets end at a time unless they end earlier, and drops them when that is now.
func expire(secrets []iam.Secret, now, end time.Time) []iam.Secret {
	for i := range secrets {
		if s := &secrets[i]; s.ExpiresAt.IsZero() || s.ExpiresAt.After(end) {
			s.ExpiresAt = end
		}
	}
	return live(secrets, now)
}

func freeName(secrets []iam.Secret) string {
	for n := len(secrets) + 1; ; n++ {
		name := "secret-" + strconv.Itoa(n)
		if !slices.ContainsFunc(secrets, func(x iam.Secret) bool { return x.Name == name }) {
			return name
		}
	}
}

// soon is how long before its end a secret is said to end soon.
const soon = 14 * 24 * time.Hour

func (s *Service) showSecret(x *iam.Secret) apiv1.Secret {
	end := x.ExpiresAt
	return apiv1.Secret{
		ID: string(x.ID), Name: x.Name, CreatedAt: x.CreatedAt, ExpiresAt: end,
		ExpiresSoon: !end.IsZero() && end.Before(s.Now().Add(soon)),
	}
}

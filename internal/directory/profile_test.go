package directory_test

import (
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Applications are told when what they know of a person last changed (updated_at, OIDC Core §5.1): the profile and the address count,
// roles and passwords do not.
func TestUpdatedAtFollowsTheProfile(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	now := time.Now()
	w.Now = func() time.Time { return now }
	spec := apiv1.UserSpec{Email: "eve@acme.example"}
	made, err := w.CreateUser(ctx, operator, apiv1.NewUser{Name: "eve", UserSpec: spec})
	check(t, err)
	updated := now
	for _, step := range []struct {
		name    string
		change  func()
		profile bool
	}{
		{"nothing", func() {}, false},
		{"platform role", func() { spec.PlatformRole = "auditor" }, false},
		{"password", func() { spec.Password = &apiv1.SecretRef{Value: "correct horse battery staple"} }, false},
		{"claims", func() { spec.Claims = map[string]any{"name": "Eve"} }, true},
		{"verified", func() { spec.EmailVerified = true }, true},
		{"address", func() { spec.Email = "eve@example.org" }, true},
	} {
		now = now.Add(time.Hour)
		step.change()
		check(t, errorOf(w.UpdateUser(ctx, operator, made.ID, spec, directory.Expect{})))
		if step.profile {
			updated = now
		}
		u, err := w.Store.UserNamed(ctx, "eve")
		check(t, err)
		if got := u.UpdatedAt(); !got.Equal(updated) {
			t.Errorf("%s: got updated at %s, want %s", step.name, got, updated)
		}
	}
}

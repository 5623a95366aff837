package signin_test

import (
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

const (
	wanted  = "battery fjord lamp"
	wanted2 = "copper meadow kite"
)

// linkIn returns the path and query of the link in a mail, which must begin with the issuer.
func linkIn(t *testing.T, b *apptest.Broker, m apptest.Mail) string {
	t.Helper()
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(m.Content)))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`https?://\S+\?token=gate_ot_[\w.-]+`).FindString(string(text))
	if !strings.HasPrefix(link, b.Issuer+"/") {
		t.Fatalf("the link is %q, want one below %s in %.2000s", link, b.Issuer, text)
	}
	return strings.TrimPrefix(link, b.Issuer)
}

// token is the secret of a link.
func token(t *testing.T, path string) string { return mustURL(t, path).Query().Get("token") }

// LOG-05: nobody learns by asking for a new password who exists. LOG-11: the link is the configured issuer's, whatever a request says.
func TestForgottenPasswordsTellNothing(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	secrets := regexp.MustCompile(`name="form_token" value="[^"]*"`)
	first := ""
	for _, name := range []string{"nobody", "bob", "carol", "carol@acme.example", "alice", "nobody@acme.example"} {
		v := newVisitor(b)
		wantStatus(t, "form", v.Get("/password/forgot"), http.StatusOK)
		v.Header.Set("X-Forwarded-Host", "evil.example")
		v.Header.Set("Forwarded", "host=evil.example;proto=https")
		a := v.Send("/password/forgot", "username", name)
		body := secrets.ReplaceAllString(a.Body, "")
		if first == "" {
			first = body
		}
		if a.Status != http.StatusOK || body != first {
			t.Errorf("%s: got %v, want what the others get", name, a)
		}
	}
	m := box.Next()
	linkIn(t, b, m)
	if m.To != "alice@acme.example" || m.Header.Get("Auto-Submitted") != "auto-generated" || strings.Contains(m.Content, "evil.example") {
		t.Errorf("got mail %+v, want alice's", m)
	}
	b.Stop() // what was still to be sent has been
	if n := box.Len(); n != 0 {
		t.Errorf("%d more mails came, want none", n)
	}
}

// Asking for others again and again ends, for whoever asks and for whom it would be sent to.
func TestForgottenPasswordsAreLimited(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	v, other := from(b, "192.0.2.1"), from(b, "192.0.2.2")
	for i := range 21 {
		v.Get("/password/forgot")
		want := http.StatusOK
		if i == 20 {
			want = http.StatusTooManyRequests
		}
		a := v.Send("/password/forgot", "username", alice)
		wantStatus(t, "request", a, want)
		if want != http.StatusOK && a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	other.Get("/password/forgot")
	wantStatus(t, "from elsewhere", other.Send("/password/forgot", "username", alice), http.StatusOK)
	b.Stop()
	if n := box.Len(); n != 5 {
		t.Errorf("alice got %d mails, want 5", n)
	}
}

// A link to choose a password is used by its button alone, once, after a password that will do; whatever was open ends.
func TestResetLinkWorksOnce(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	before := newVisitor(b)
	wantStatus(t, "sign-in", before.Login(alice, password), http.StatusSeeOther)
	v := newVisitor(b)
	if a := v.Get("/login"); !strings.Contains(a.Body, "/password/forgot") {
		t.Error("the page of signing in does not lead to it")
	}
	v.Get("/password/forgot")
	v.Send("/password/forgot", "username", "ALICE@acme.example")
	v.Get("/password/forgot")
	v.Send("/password/forgot", "username", alice)
	one, two := linkIn(t, b, box.Next()), linkIn(t, b, box.Next())
	for range 3 {
		a := v.Get(one)
		wantStatus(t, "look", a, http.StatusOK)
		if a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the page of the link has the header %v", a.Header)
		}
	}
	for what, form := range map[string][2]string{"short": {"fjord", "fjord"}, "two that differ": {wanted, wanted2}} {
		v.Get(one)
		a := v.Send("/password/reset", "new_password", form[0], "new_password_again", form[1])
		if a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "reset-failed") {
			t.Errorf("%s: got %v, want the page again", what, a)
		}
	}
	stranger := newVisitor(b)
	stranger.Get(one)
	wantStatus(t, "without the form's token", stranger.Send("/password/reset", "form_token", "x", "new_password", wanted, "new_password_again", wanted), http.StatusForbidden)

	v.Get(one)
	wantStatus(t, "reset", v.Send("/password/reset", "new_password", wanted, "new_password_again", wanted), http.StatusSeeOther)
	if !signedIn(t, v) || signedIn(t, before) {
		t.Error("want who chose the password signed in, and the session from before ended")
	}
	stranger.Get("/login")
	for what, link := range map[string]string{"twice": one, "one from before the new password": two} {
		a := stranger.Get(link)
		if a.Status != http.StatusForbidden || !strings.Contains(a.Body, "invalid_link") {
			t.Errorf("%s: got %v, want 403 invalid_link", what, a)
		}
		stranger.Get("/login")
		a = stranger.Send("/password/reset", "token", token(t, link), "new_password", wanted2, "new_password_again", wanted2)
		wantStatus(t, what, a, http.StatusForbidden)
	}
	wantStatus(t, "the old password", newVisitor(b).Login(alice, password), http.StatusBadRequest)
	wantStatus(t, "the new one", newVisitor(b).Login(alice, wanted), http.StatusSeeOther)
	for _, link := range []string{one, two} {
		if strings.Contains(b.Log.String(), token(t, link)) {
			t.Error("the log has the secret of a link")
		}
	}
}

// Without a server for mail, and outside of development, nobody is promised any.
func TestLinksAreForTheirPurposeAlone(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	v := newVisitor(b)
	v.Get("/password/forgot")
	v.Send("/password/forgot", "username", alice)
	secret := token(t, linkIn(t, b, box.Next()))
	for _, path := range []string{"/link", "/verify", "/invitation"} {
		wantStatus(t, path, v.Get(path+"?token="+url.QueryEscape(secret)), http.StatusForbidden)
	}
	wantStatus(t, "one that was changed", v.Get("/password/reset?token="+secret[:len(secret)-8]+"AAAAAAAA"), http.StatusForbidden)
	wantStatus(t, "its own page", v.Get("/password/reset?token="+secret), http.StatusOK)
}

func invite(t *testing.T, b *apptest.Broker, email, delivery string) apiv1.Invitation {
	t.Helper()
	i, err := b.API().Invite(t.Context(), "acme", apiv1.NewInvitation{Email: email, Role: "reader", Delivery: delivery})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func join(v *visitor, name string) apptest.Answer {
	return v.Send("/invitation", "do", "join", "username", name, "name", "Dora <b>D</b>", "new_password", wanted, "new_password_again", wanted)
}

// user reads a user as the operator.
func user(t *testing.T, b *apptest.Broker, name string) apiv1.User {
	t.Helper()
	u, err := b.API().GetUser(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ADM-16: an invitation by mail makes one account, whose address is then known, and is over.
func TestInvitationByMailMakesAnAccountOnce(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	if i := invite(t, b, "dora@acme.example", ""); !i.Mailed || i.Link != "" {
		t.Errorf("got %+v, want it mailed and no link shown", i)
	}
	link := linkIn(t, b, box.Next())
	v := newVisitor(b)
	a := v.Get(link)
	if a.Status != http.StatusOK || !strings.Contains(a.Body, "acme") || !strings.Contains(a.Body, "reader") || !strings.Contains(a.Body, "dora@acme.example") {
		t.Fatalf("got %v, want what is offered", a)
	}
	a = join(v, alice)
	if a.Status != http.StatusBadRequest || !strings.Contains(a.Body, "somebody else has this user name") && !strings.Contains(a.Body, "Somebody else has this user name") {
		t.Errorf("a name that is taken: got %v, want the page again", a)
	}
	wantStatus(t, "join", join(v, "dora"), http.StatusSeeOther)
	if body := v.Get("/account").Body; !strings.Contains(body, "reader") {
		t.Error("the account has no role")
	}
	if u := user(t, b, "dora"); u.Email != "dora@acme.example" || !u.EmailVerified || u.Claims["name"] != "Dora <b>D</b>" {
		t.Errorf("got %+v, want the address verified", u)
	}
	w := newVisitor(b)
	wantStatus(t, "look again", w.Get(link), http.StatusForbidden)
	w.Get("/login")
	wantStatus(t, "twice", w.Send("/invitation", "token", token(t, link), "do", "join", "username", "eve", "new_password", wanted, "new_password_again", wanted), http.StatusForbidden)
}

// ADM-16: an invitation is for its address alone, and for nobody once it was taken back or made anew.
func TestInvitationsAreForOneAddressUntilTakenBack(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	i := invite(t, b, "dora@acme.example", "")
	link := linkIn(t, b, box.Next())

	v := newVisitor(b)
	a := v.Get(link)
	to := regexp.MustCompile(`id="invitation-signin" href="([^"]*)"`).FindStringSubmatch(a.Body)
	if to == nil {
		t.Fatalf("no way to sign in: %v", a)
	}
	v.Get(strings.ReplaceAll(to[1], "&amp;", "&"))
	a = v.Send("/login", "username", alice, "password", password)
	wantStatus(t, "sign-in", a, http.StatusSeeOther)
	a = v.Get(a.Header.Get("Location"))
	if got := a.Header.Get("Location"); a.Status != http.StatusSeeOther || token(t, got) != token(t, link) {
		t.Fatalf("got %v to %q, want back to the invitation", a, got)
	}
	a = v.Get(a.Header.Get("Location"))
	if !strings.Contains(a.Body, "invitation-accept") {
		t.Fatalf("got %v, want a button to accept", a)
	}
	a = v.Send("/invitation", "do", "accept")
	if a.Status != http.StatusForbidden || !strings.Contains(a.Body, "another_address") {
		t.Errorf("by another address: got %v, want 403 another_address", a)
	}

	if err := b.API().DeleteInvitation(t.Context(), "acme", i.ID); err != nil {
		t.Fatal(err)
	}
	w := newVisitor(b)
	wantStatus(t, "taken back", w.Get(link), http.StatusForbidden)
	w.Get("/login")
	a = w.Send("/invitation", "token", token(t, link), "do", "join", "username", "dora", "new_password", wanted, "new_password_again", wanted)
	if a.Status != http.StatusForbidden || !strings.Contains(a.Body, "invitation_over") {
		t.Errorf("taken back: got %v, want 403 invitation_over", a)
	}
	if a := b.Admin(http.MethodGet, "/users/dora", ""); a.Status != http.StatusNotFound {
		t.Errorf("an account was made: %v", a)
	}
}

// Somebody with an account whose address is not verified accepts by mail, and the address then is.
func TestInvitationByMailVerifiesTheAddress(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	u := user(t, b, "carol")
	spec := u.UserSpec
	spec.Password = &apiv1.SecretRef{Value: password}
	if _, err := b.API().UpdateUser(t.Context(), "carol", spec, ""); err != nil {
		t.Fatal(err)
	}
	invite(t, b, "carol@acme.example", "")
	link := linkIn(t, b, box.Next())
	v := newVisitor(b)
	wantStatus(t, "sign-in", v.Login("carol", password), http.StatusSeeOther)
	v.Get(link)
	wantStatus(t, "accept", v.Send("/invitation", "do", "accept"), http.StatusSeeOther)
	if body := v.Get("/account").Body; !strings.Contains(body, "reader") || !user(t, b, "carol").EmailVerified {
		t.Error("want the role, and the address verified")
	}
}

// A link that was handed over proves no address: it takes its own invitation up, and no other to the same address.
func TestLinkThatIsHandedOverProvesNoAddress(t *testing.T) {
	b := start(t)
	i := invite(t, b, "dora@acme.example", apiv1.DeliveryLink)
	if i.Mailed || !strings.HasPrefix(i.Link, b.Issuer+"/invitation?token=gate_ot_") {
		t.Fatalf("got %+v, want a link", i)
	}
	if _, err := b.API().CreateNode(t.Context(), apiv1.NewNode{Name: "other", NodeSpec: apiv1.NodeSpec{Level: "organization", Model: "floxhub"}}); err != nil {
		t.Logf("other organization: %v", err)
	}
	v := newVisitor(b)
	v.Get(strings.TrimPrefix(i.Link, b.Issuer))
	wantStatus(t, "join", join(v, "dora"), http.StatusSeeOther)
	if u := user(t, b, "dora"); u.EmailVerified || u.Email != "dora@acme.example" {
		t.Errorf("got %+v, want the address, not verified", u)
	}
	if !strings.Contains(v.Get("/account").Body, "reader") {
		t.Error("the account has no role")
	}
}

// A person asks for a mail, and the link in it verifies the address; no program that opens it does.
func TestVerifiesAnAddressByMail(t *testing.T) {
	box := apptest.NewMailbox(t)
	b := start(t, box.Option())
	spec := user(t, b, "carol").UserSpec
	spec.Password = &apiv1.SecretRef{Value: password}
	if _, err := b.API().UpdateUser(t.Context(), "carol", spec, ""); err != nil {
		t.Fatal(err)
	}
	v := newVisitor(b)
	v.Login("carol", password)
	v.Get("/account")
	wantStatus(t, "ask", v.Send("/account", "do", "verify"), http.StatusOK)
	link := linkIn(t, b, box.Next())
	w := newVisitor(b)
	wantStatus(t, "look", w.Get(link), http.StatusOK)
	if user(t, b, "carol").EmailVerified {
		t.Fatal("a look has verified the address")
	}
	wantStatus(t, "use", w.Send("/verify"), http.StatusSeeOther)
	if !user(t, b, "carol").EmailVerified {
		t.Error("the address is not verified")
	}
	wantStatus(t, "twice", w.Get(link), http.StatusForbidden)
}

// An operator has somebody choose a password, and learns none.
func TestOperatorResetsAPasswordByLink(t *testing.T) {
	b := start(t)
	v, err := b.API().ResetUserPassword(t.Context(), "carol", apiv1.NewPasswordReset{})
	if err != nil || v.Mailed || v.Link == "" {
		t.Fatalf("got %+v, %v, want a link: carol's address is not verified", v, err)
	}
	if _, err := b.API().ResetUserPassword(t.Context(), "carol", apiv1.NewPasswordReset{Delivery: apiv1.DeliveryMail}); err == nil {
		t.Error("a link is mailed to an address that nobody has verified")
	}
	carol := newVisitor(b)
	carol.Get(strings.TrimPrefix(v.Link, b.Issuer))
	wantStatus(t, "reset", carol.Send("/password/reset", "new_password", wanted, "new_password_again", wanted), http.StatusSeeOther)
	wantStatus(t, "sign-in", newVisitor(b).Login("carol", wanted), http.StatusSeeOther)

	v, err = b.API().ResetUserPassword(t.Context(), "alice", apiv1.NewPasswordReset{})
	if err != nil || !v.Mailed || v.Link != "" {
		t.Errorf("got %+v, %v, want it mailed", v, err)
	}
	b.Stop()
	if out := b.Out.String(); !strings.Contains(out, "alice@acme.example") || !strings.Contains(out, "/password/reset?token=") {
		t.Error("development does not print the mail")
	}
}

// I2: over two replicas, one of many who use a link at once does.
func TestLinkIsUsedOnceAcrossReplicas(t *testing.T) {
	b := apptest.Replicas(t, 2, apptest.Set("store", redistest.Start(t).URL()))
	i := invite(t, b, "dora@acme.example", apiv1.DeliveryLink)
	link := strings.TrimPrefix(i.Link, b.Issuer)
	const many = 8
	var got [many]int
	var all sync.WaitGroup
	for n := range many {
		v := newVisitor(b)
		v.Get(link)
		all.Go(func() { got[n] = join(v, "dora"+string(rune('a'+n))).Status })
	}
	all.Wait()
	made := 0
	for _, status := range got {
		switch status {
		case http.StatusSeeOther:
			made++
		case http.StatusForbidden:
		default:
			t.Errorf("got %d, want 303 or 403", status)
		}
	}
	if made != 1 {
		t.Errorf("%d accounts were made: %v", made, got)
	}
}

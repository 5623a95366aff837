package signin_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// A person ends any other session, and all others at once; the one in which the button was pressed goes on.
func TestOtherSessionsCanBeEnded(t *testing.T) {
	b := start(t)
	here, one, two := newVisitor(b), newVisitor(b), newVisitor(b)
	for _, v := range []*visitor{here, one, two} {
		wantStatus(t, "sign-in", v.Login(alice, password), http.StatusSeeOther)
	}
	body := here.Get("/account").Body
	if n := strings.Count(body, `value="end-session"`); n != 3 {
		t.Fatalf("the account lists %d sessions, want 3", n)
	}
	other := regexp.MustCompile(`value="end-session"><input type="hidden" name="id" value="(sid_[^"]*)"`).FindAllStringSubmatch(one.Get("/account").Body, -1)
	stranger := newVisitor(b)
	stranger.Get("/login")
	wantStatus(t, "nobody's form", stranger.Send("/account", "do", "end-session", "id", other[0][1]), http.StatusSeeOther)
	if !signedIn(t, here) || !signedIn(t, one) || !signedIn(t, two) {
		t.Fatal("somebody who is not signed in has ended a session")
	}
	here.Get("/account")
	wantStatus(t, "end others", here.Send("/account", "do", "end-others"), http.StatusSeeOther)
	if !signedIn(t, here) || signedIn(t, one) || signedIn(t, two) {
		t.Error("the others should have ended, and they alone")
	}
}

// OUT-05: a new password needs the present one, and ends every other session.
func TestANewPasswordEndsAllOthers(t *testing.T) {
	b := start(t)
	here, other := newVisitor(b), newVisitor(b)
	wantStatus(t, "sign-in", here.Login(alice, password), http.StatusSeeOther)
	wantStatus(t, "sign-in", other.Login(alice, password), http.StatusSeeOther)
	const wanted = "battery fjord lamp"
	change := func(present, next, again string) int {
		here.Get("/account")
		return here.Send("/account", "do", "password", "password", present, "new_password", next, "new_password_again", again).Status
	}
	for what, status := range map[string]int{
		"wrong present one": change(wrong, wanted, wanted), "two that differ": change(password, wanted, wrong),
		"a common one": change(password, "password1234", "password1234"), "a short one": change(password, "fjord", "fjord"),
	} {
		if status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", what, status)
		}
	}
	if got := change(password, wanted, wanted); got != http.StatusSeeOther || !signedIn(t, here) || signedIn(t, other) {
		t.Errorf("got %d, want 303, this session alone going on", got)
	}
	wantStatus(t, "the old password", newVisitor(b).Login(alice, password), http.StatusBadRequest)
	wantStatus(t, "the new password", newVisitor(b).Login(alice, wanted), http.StatusSeeOther)
}

package token_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/keys"
)

// wantMarks checks that these marks were written and no others, and forgets them.
func (w *world) wantMarks(what string, want ...iam.Revocation) {
	w.t.Helper()
	if len(w.marks.marks) != len(want) {
		w.t.Errorf("%s: got marks %v, want %v", what, w.marks.marks, want)
	}
	for _, m := range want {
		if got := w.marks.marks[m.RevocationRef]; !got.NotBefore.Equal(m.NotBefore) || !got.ExpiresAt.Equal(m.ExpiresAt) {
			w.t.Errorf("%s: got mark %+v, want %+v", what, got, m)
		}
	}
	clear(w.marks.marks)
}

// A client ends its own tokens; what is no token of ours needs no ending; another client's stays as it is (RFC 7009 §2.1, §2.2).
func TestClientRevokesItsOwnToken(t *testing.T) {
	w := newWorld(t)
	got := w.issue(w.machine())
	exp := w.now.Truncate(time.Second).Add(15 * time.Minute)
	mark := iam.Revocation{RevocationRef: iam.RevocationRef{Kind: iam.RevokedToken, ID: got.ID}, ExpiresAt: exp.Add(time.Minute)}

	if err := w.revoker.Token(t.Context(), got.Value, w.caller("web")); iam.KindOf(err) != iam.Invalid || iam.CodeOf(err) != "invalid_request" {
		t.Errorf("another client: got %v, want invalid_request", err)
	}
	w.wantMarks("another client")
	w.wantLive("another client tried", got.Value)

	for what, tok := range map[string]string{
		"garbage": "garbage", "empty": "", "ID token": w.sign(keys.TypeIDToken, part(t, got.Value, 1)), "cut": got.Value[:len(got.Value)-2],
	} {
		if err := w.revoker.Token(t.Context(), tok, w.caller("ci")); err != nil {
			t.Errorf("%s: got %v, want success", what, err)
		}
		w.wantMarks(what)
	}

	check(t, w.revoker.Token(t.Context(), got.Value, w.caller("ci")))
	w.wantDead("revoked", got.Value)
	check(t, w.revoker.Token(t.Context(), got.Value, w.caller("ci"))) // once more: no fault
	w.wantMarks("its own", mark)

	// While a verifier's clock may still be before exp, the mark is written; past that there is nothing to end.
	w.now = mark.ExpiresAt.Add(-1)
	check(t, w.revoker.Token(t.Context(), got.Value, w.caller("ci")))
	w.wantMarks("just expired", mark)
	w.now = mark.ExpiresAt
	check(t, w.revoker.Token(t.Context(), got.Value, w.caller("ci")))
	w.wantMarks("long expired")
}

// A revocation that is not written is never told as done.
func TestRevocationFailsLoudly(t *testing.T) {
	w := newWorld(t)
	got := w.issue(w.machine())
	w.marks.down = unanswered
	ref := iam.RevocationRef{Kind: iam.RevokedClient, ID: "ci"}
	if err := w.revoker.Token(t.Context(), got.Value, w.caller("ci")); !errors.Is(err, error(unanswered)) {
		t.Errorf("own token: got %v, want unavailable", err)
	}
	if _, err := w.revoker.AnyToken(t.Context(), got.Value); !errors.Is(err, error(unanswered)) {
		t.Errorf("any token: got %v, want unavailable", err)
	}
	if err := w.revoker.All(t.Context(), ref); !errors.Is(err, error(unanswered)) {
		t.Errorf("all of a client: got %v, want unavailable", err)
	}
	w.marks.down = nil
	w.wantLive("nothing was revoked", got.Value)
}

// An operator ends any client's token, and hears when what was named is none.
func TestOperatorRevokesAnyToken(t *testing.T) {
	w := newWorld(t)
	got := w.issue(w.person())
	id, err := w.revoker.AnyToken(t.Context(), got.Value)
	if id != got.ID || err != nil {
		t.Errorf("got %q, %v, want %q", id, err, got.ID)
	}
	w.wantDead("revoked", got.Value)
	for _, tok := range []string{"garbage", w.sign(keys.TypeIDToken, part(t, got.Value, 1))} {
		if id, err := w.revoker.AnyToken(t.Context(), tok); id != "" || iam.KindOf(err) != iam.NotFound {
			t.Errorf("no access token: got %q, %v, want not_found", id, err)
		}
	}
}

// A mark stays for as long as any token that it hits may live at any verifier: the longest life of a token, the skew of whoever
// issued it and the skew of whoever reads it. Tokens, grants and keys are ended whole, everything else up to now.
func TestMarksOutliveWhatTheyHit(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		kind  iam.RevocationKind
		whole bool
	}{
		{iam.RevokedToken, true}, {iam.RevokedGrant, true}, {iam.RevokedKey, true},
		{iam.RevokedClient, false}, {iam.RevokedUser, false}, {iam.RevokedMember, false}, {iam.RevokedOrganization, false}, {iam.RevokedSession, false},
	} {
		ref := iam.RevocationRef{Kind: c.kind, ID: "x"}
		check(t, w.revoker.All(t.Context(), ref))
		want := iam.Revocation{RevocationRef: ref, NotBefore: w.now, ExpiresAt: w.now.Add(24*time.Hour + 2*time.Minute)}
		if c.whole {
			want.NotBefore = time.Time{}
		}
		w.wantMarks(string(c.kind), want)
	}
}

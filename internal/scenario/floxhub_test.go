package scenario

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

const handle = "https://flox.dev/handle"

// want fails unless an answer has a status and, where it is a refusal, a code.
func want(t *testing.T, a apptest.Answer, status int, code string) map[string]any {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %s, want status %d", a, status)
	}
	if a.Body == "" {
		return nil
	}
	body := a.JSON(t)
	got, _ := body["code"].(string)
	if oauth, ok := body["error"].(string); ok {
		got = oauth
	}
	if got != code {
		t.Fatalf("got %s, want code %q", a, code)
	}
	return body
}

// grant asks for a token of a machine client.
func (w *world) grant(client, secret string, pairs ...string) apptest.Answer {
	w.t.Helper()
	return w.Post("/oauth/token", append([]string{"grant_type", "client_credentials", "client_id", client, "client_secret", secret}, pairs...)...)
}

func (w *world) machine(client string, pairs ...string) string {
	w.t.Helper()
	return w.Token(client, machineSecret, append([]string{"audience", api}, pairs...)...)
}

// evaluation is the question whether somebody may do something at a node.
func (w *world) evaluation(who, permission, level, node string) map[string]any {
	kind, _, _ := strings.Cut(who, ":")
	return map[string]any{
		"subject": map[string]any{"type": kind, "id": w.name(who)}, "action": map[string]any{"name": permission},
		"resource": map[string]any{"type": level, "id": w.path(node)},
	}
}

// One token speaks for one organization: to the doors of another it is nobody's.
func TestScenario010OneTokenSpeaksForOneOrganization(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	forAcme := w.Person(userName("cara"), apptest.For("app", issuer+"/api/v1"), apptest.In(w.path("acme")))
	for node, decision := range map[string]bool{"acme": true, "beta": false, "nowhere": false} {
		a := w.bearer(forAcme, "POST", "/access/v1/evaluation", w.evaluation("user:cara", "env_view", "organization", node))
		body := want(t, a, http.StatusOK, "")
		if body["decision"] != decision {
			t.Errorf("env_view on %s with the token for acme: got %s, want %v", node, a, decision)
		}
		if !decision && !strings.Contains(a.Body, `"404"`) {
			t.Errorf("env_view on %s with the token for acme: got %s, want the reason 404", node, a)
		}
	}
	if org := decode(t, forAcme)["org_name"]; org != w.path("acme") {
		t.Errorf("org_name: got %v, want %s", org, w.path("acme"))
	}
}

func TestScenario011NoOrganizationNamedNoRoles(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	claims := decode(t, w.Person(userName("cara"), apptest.For("app", api)))
	for _, name := range []string{"org_id", "org_name", "roles", "groups", "authorization_details"} {
		if v, ok := claims[name]; ok {
			t.Errorf("%s: got %v, want none in a token that speaks for no organization", name, v)
		}
	}
	if claims["sub"] == "" || claims["sub"] == nil {
		t.Errorf("got %v, want a token with sub", claims)
	}
}

func TestScenario023NoOrganizationWithoutOwner(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	for _, path := range []string{"/organizations", "/nodes"} {
		want(t, w.call("operator", "POST", path, map[string]any{"name": "gamma", "level": "organization", "model": "floxhub"}), http.StatusUnprocessableEntity, "owner_required")
	}
	want(t, w.call("operator", "GET", "/organizations/gamma", nil), http.StatusNotFound, "not_found")
}

// Environments carry no roles: whoever made one, all members and machines of the organization see it.
func TestScenario028EnvironmentsBelongToTheOrganization(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	asked := []struct {
		who, permission string
		decision        bool
	}{
		{"user:bob", "env_create", true}, {"user:alice", "env_view", true}, {"user:cara", "env_view", true},
		{"client:nightly", "env_view", true}, {"user:dan", "env_view", false},
	}
	var questions []any
	for _, q := range asked {
		questions = append(questions, w.evaluation(q.who, q.permission, "organization", "acme"))
	}
	body := want(t, w.call("user:alice", "POST", "/access/v1/evaluations", map[string]any{"evaluations": questions}), http.StatusOK, "")
	answers, _ := body["evaluations"].([]any)
	if len(answers) != len(asked) {
		t.Fatalf("got %v, want %d answers", body, len(asked))
	}
	for i, q := range asked {
		if got := answers[i].(map[string]any)["decision"]; got != q.decision {
			t.Errorf("%s of %s: got %v, want %v", q.permission, q.who, answers[i], q.decision)
		}
	}
}

func TestScenario031TheCallOfTheSeed(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	body := want(t, w.grant("release", machineSecret, "audience", api), http.StatusOK, "")
	text, _ := body["access_token"].(string)
	seconds, _ := body["expires_in"].(float64)
	if len(strings.Split(text, ".")) != 3 || body["token_type"] != "Bearer" || seconds <= 0 {
		t.Errorf("got %v, want a JWT as access_token, token_type Bearer and expires_in", body)
	}
	if v, ok := body["refresh_token"]; ok {
		t.Errorf("refresh_token: got %v, want none (RFC 6749 §4.4.3)", v)
	}
}

func TestScenario039AudienceNotRegistered(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	for _, audience := range []string{apptest.Audience, "https://nowhere.example/"} {
		body := want(t, w.grant("release", machineSecret, "audience", audience), http.StatusBadRequest, "invalid_target")
		if _, ok := body["access_token"]; ok {
			t.Errorf("audience %s: got a token", audience)
		}
	}
}

// A wrong secret leaves a trace for those who may read the audit log, and its answer is that to a client that does not exist.
func TestScenario040WrongSecret(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	const wrong = "another-secret-that-is-long-enough-for-a-keyed-hash"
	known, unknown := w.grant("release", wrong, "audience", api), w.grant("no-such-client", wrong, "audience", api)
	want(t, known, http.StatusUnauthorized, "invalid_client")
	same(t, known, unknown)
	// Attempts are counted beside the requests and written in time; the end of a broker writes what it has counted.
	w.Stop()
	if strings.Contains(w.Log.String(), wrong) {
		t.Error("the log has the secret")
	}
	w.Broker = restart(t, w)
	var seen []any
	for _, item := range w.items("user:alice", "/organizations/"+w.node("acme")+"/activity?subject=client:release") {
		seen = append(seen, item["subject"])
	}
	if !slices.Contains(seen, any("client:release")) {
		t.Errorf("failed authentications of release: got %v, want the attempt", seen)
	}
	want(t, w.call("user:bob", "GET", "/organizations/"+w.node("acme")+"/activity", nil), http.StatusForbidden, "forbidden")
}

// same fails unless two answers cannot be told apart but by the identifier of their request.
func same(t *testing.T, a, b apptest.Answer) {
	t.Helper()
	x, y := a.JSON(t), b.JSON(t)
	delete(x, "request_id")
	delete(y, "request_id")
	if a.Status != b.Status || len(x) != len(y) {
		t.Errorf("got %s and %s, want the same answer", a, b)
	}
	for k, v := range x {
		if y[k] != v {
			t.Errorf("%s: got %v and %v, want the same answer", k, v, y[k])
		}
	}
	if a.Header.Get("WWW-Authenticate") != b.Header.Get("WWW-Authenticate") || a.Header.Get("Content-Type") != b.Header.Get("Content-Type") {
		t.Errorf("got headers %v and %v, want the same", a.Header, b.Header)
	}
}

func TestScenario042NewClientIsReader(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	body := want(t, w.call("user:alice", "POST", "/nodes/"+w.node("acme")+"/clients", map[string]any{"name": "builds", "audiences": []string{api}}), http.StatusCreated, "")
	secret := body["secret"].(map[string]any)["value"].(string)
	claims := decode(t, want(t, w.grant(body["client_id"].(string), secret, "audience", api), http.StatusOK, "")["access_token"].(string))
	if got := strs(claims["roles"]); body["role"] != "reader" || !slices.Equal(got, []string{"reader"}) {
		t.Errorf("got role %v and roles %v, want reader", body["role"], got)
	}
}

// invited is a manifest that names people by their accounts at GitHub.
func invited() map[string]any {
	login := func(name, role string) map[string]any {
		return map[string]any{"login": map[string]any{"connector": "github", "name": name}, "role": role}
	}
	return map[string]any{"documents": []any{map[string]any{
		"kind": "Organization", "metadata": map[string]any{"name": "invited"},
		"spec": map[string]any{"model": "floxhub", "assignments": []any{
			map[string]any{"user": userName("zed"), "role": "owner"},
			login("alice-gh", "owner"), login("bob-gh", "writer"), login("cara-gh", "reader"),
		}},
	}}}
}

// link says that an account at GitHub is a user's, as a first sign-in does, and returns what the user was given.
func (w *world) link(user, subject, name string) []any {
	w.t.Helper()
	a := w.call("operator", "POST", "/users/"+userName(user)+"/logins", map[string]any{"connector": "github", "subject": subject, "name": name})
	if a.Status != http.StatusCreated {
		w.t.Fatalf("link %s: %s", name, a)
	}
	return a.JSON(w.t)["bound"].([]any)
}

func TestScenario045ManifestByLogins(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "POST", "/apply", invited()), http.StatusOK, "")
	for user, role := range map[string]string{"alice": "owner", "bob": "writer", "cara": "reader"} {
		if _, refused := w.tokenClaims("user:"+user, "invited", nil); refused != "access_denied" {
			t.Errorf("%s before the first sign-in: got %q, want access_denied", user, refused)
		}
		w.link(user, "10-"+user, user+"-gh")
		claims, refused := w.tokenClaims("user:"+user, "invited", nil)
		if got := strs(claims["roles"]); refused != "" || !slices.Equal(got, []string{role}) {
			t.Errorf("%s after the first sign-in: got %v %s, want %s", user, got, refused, role)
		}
	}
}

func TestScenario046MembershipIsBoundToTheNumericID(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "POST", "/apply", invited()), http.StatusOK, "")
	w.link("bob", "1001", "bob-gh")
	w.link("bob", "1001", "robert-gh")
	if bound := w.link("dan", "2002", "bob-gh"); len(bound) != 0 {
		t.Errorf("the stranger with the old name was given %v", bound)
	}
	if _, refused := w.tokenClaims("user:dan", "invited", nil); refused != "access_denied" {
		t.Errorf("the stranger: got %q, want access_denied", refused)
	}
	if claims, refused := w.tokenClaims("user:bob", "invited", nil); refused != "" || !slices.Equal(strs(claims["roles"]), []string{"writer"}) {
		t.Errorf("bob under his new name: got %v %s, want writer", claims["roles"], refused)
	}
}

func TestScenario047OldAccessListMigrates(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	at := "/nodes/" + w.node("beta") + "/migrations"
	plan := want(t, w.call("user:dan", "POST", at, map[string]any{"source": "floxhub-access-list", "holders": []any{
		map[string]any{"user": userName("alice"), "role": "read", "where": w.path("beta")},
		map[string]any{"user": userName("bob"), "role": "write", "where": w.path("beta")},
	}}), http.StatusCreated, "")
	if got := w.access("beta")["user:bob"]; got != nil {
		t.Fatalf("bob after the plan alone: got %v, want nothing", got)
	}
	want(t, w.call("user:dan", "POST", at+"/"+plan["id"].(string)+"/apply", nil), http.StatusOK, "")
	for who, role := range map[string]string{"user:alice": "reader", "user:bob": "writer"} {
		if got := w.access("beta")[who]; !slices.Equal(got, []string{role}) {
			t.Errorf("%s: got %v, want %s", who, got, role)
		}
	}
}

func TestScenario048OperatorActsOnAnOwnersRequest(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t, apptest.Set("admin.ownerRequest", "required"))
	at := "/nodes/" + w.node("acme") + "/assignments"
	body := map[string]any{"user": userName("zed"), "role": "reader"}
	operator := w.token("operator")
	want(t, w.bearer(operator, "POST", at, body), http.StatusForbidden, "owner_request_required")
	want(t, w.bearer(operator, "POST", at, body, "Gatehouse-Requested-By", userName("bob")), http.StatusForbidden, "owner_request_required")
	if got := w.access("acme")["user:zed"]; got != nil {
		t.Fatalf("zed: got %v, want nothing written", got)
	}
	want(t, w.bearer(operator, "POST", at, body, "Gatehouse-Requested-By", userName("alice")), http.StatusOK, "")
	alice := decode(t, w.token("user:alice"))["sub"]
	for _, line := range w.items("user:alice", "/nodes/"+w.node("acme")+"/audit?outcome=done") {
		if line["requested_by"] == alice && line["actor"] == "client:"+apptest.Operator {
			return
		}
	}
	t.Errorf("no line of the audit log names the operator and the owner who asked")
}

// A command line that knows nothing but the issuer, the client and the audience: the library of the device grant does the rest.
func TestScenario049CommandLineReportsTheHandle(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "POST", "/clients", map[string]any{
		"name": "flox", "client_id": "flox", "grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"},
		"token_endpoint_auth_method": "none", "application_type": "native", "audiences": []string{api}, "scopes": []string{"openid", "offline_access"},
	}), http.StatusCreated, "")
	flox := oauth2.Config{
		ClientID: "flox", Scopes: []string{"openid", "offline_access"},
		Endpoint: oauth2.Endpoint{DeviceAuthURL: w.URL + "/oauth/device/code", TokenURL: w.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams},
	}
	device, err := flox.DeviceAuth(t.Context(), oauth2.SetAuthURLParam("audience", api), oauth2.SetAuthURLParam("organization", w.path("acme")))
	if err != nil {
		t.Fatal(err)
	}
	link, ok := strings.CutPrefix(device.VerificationURIComplete, issuer)
	if !ok || !strings.HasSuffix(link, device.UserCode) {
		t.Fatalf("verification_uri_complete: got %q, want a link of %s with the code %s", device.VerificationURIComplete, issuer, device.UserCode)
	}
	cara := w.SignedIn(userName("cara"))
	shown := cara.Get(link)
	if !strings.Contains(shown.Body, device.UserCode) {
		t.Fatalf("the page does not show the code to compare: %s", shown)
	}
	if a := cara.Submit(shown, "/activate", "decision", "approve"); a.Status != http.StatusOK {
		t.Fatalf("approve: got %s", a)
	}
	device.Interval = 1 // it is approved before the first poll
	got, err := flox.DeviceAccessToken(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	if got.ExpiresIn <= 0 || got.Expiry.IsZero() {
		t.Errorf("expires_in: got %d, want how long the token lives", got.ExpiresIn)
	}
	if claims := decode(t, got.AccessToken); claims[handle] != userName("cara") {
		t.Errorf("got the handle %v, want %s", claims[handle], userName("cara"))
	}
}

func TestScenario050TokenOfAMachineHasTheOrganizationsName(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	if got := decode(t, w.machine("release"))[handle]; got != w.path("acme") {
		t.Errorf("got handle %v, want %s", got, w.path("acme"))
	}
}

func TestScenario051DeletedClientIsNobody(t *testing.T) {
	t.Parallel()
	w := facts(t, "1-floxhub").open(t)
	want(t, w.call("operator", "PUT", "/audiences/api", map[string]any{"identifier": api, "resource_servers": []string{"nightly"}}), http.StatusOK, "")
	old := w.machine("release")
	active := func() any {
		return want(t, w.Post("/oauth/introspect", "client_id", "nightly", "client_secret", machineSecret, "token", old), http.StatusOK, "")["active"]
	}
	if active() != true {
		t.Fatal("the token is not active before the deletion")
	}
	want(t, w.call("user:alice", "DELETE", "/clients/release", nil), http.StatusNoContent, "")
	want(t, w.grant("release", machineSecret, "audience", api), http.StatusUnauthorized, "invalid_client")
	if active() != false {
		t.Error("the token of the deleted client is active")
	}
}

func inAcme(w *world) []apptest.PersonOption {
	return []apptest.PersonOption{apptest.For("app", api), apptest.In(w.path("acme"))}
}

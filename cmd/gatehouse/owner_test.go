package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The organizations' own people run them from the command line, each as far as the access model lets them.
func TestOwnerScripts(t *testing.T) {
	b := apptest.Start(t)
	made := b.Admin(http.MethodPost, "/clients", `{"name": "app", "client_id": "app", "grant_types": ["authorization_code"],
		"token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1:5556/callback"], "audiences": ["`+b.Issuer+`/api/v1"]}`)
	if made.Status != http.StatusCreated {
		t.Fatalf("client app: got %v", made)
	}
	params := scripts("testdata/owner", "")
	params.Setup = func(env *testscript.Env) error {
		env.Setenv("GATEHOUSE_SERVER", b.URL)
		env.Setenv("GATEHOUSE_CLIENT_SECRET_FILE", filepath.Join(b.Data, apptest.Operator+".secret"))
		return nil
	}
	params.Cmds["as"] = func(ts *testscript.TestScript, neg bool, args []string) { as(ts, b, neg, args) }
	testscript.Run(t, params)
}

// as is "as NAME [ORGANIZATION]": from here on the command line acts with a fresh token of that person, for the organization if
// one is named, or as the operator.
func as(ts *testscript.TestScript, b *apptest.Broker, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: as NAME [ORGANIZATION]")
	}
	if args[0] == apptest.Operator {
		ts.Setenv("GATEHOUSE_ACCESS_TOKEN_FILE", "")
		return
	}
	options := []apptest.PersonOption{apptest.For("app", b.Issuer+"/api/v1")}
	if len(args) == 2 {
		options = append(options, apptest.In(args[1]))
	}
	token, err := b.TryPerson(args[0], options...)
	ts.Check(err)
	file := ts.MkAbs(args[0] + ".token")
	ts.Check(os.WriteFile(file, []byte(token), 0o600))
	ts.Setenv("GATEHOUSE_ACCESS_TOKEN_FILE", file)
}

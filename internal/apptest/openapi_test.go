package apptest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// A validator that is not ours finds nothing wrong with the description of the admin API, and something with a damaged one.
func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	b := apptest.Start(t)
	folder := nodeFolder(t, "openapi")
	resp, err := http.DefaultTransport.RoundTrip(request(t, "GET", b.Issuer+"/api/openapi.json", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %d %v", resp.StatusCode, err)
	}
	description := string(data)
	out, errOut, err := command(t, folder, description, "node", "validate.mjs")
	if err != nil || !strings.HasPrefix(out, "valid: OpenAPI 3.1.") {
		t.Errorf("the description: got %v %s%s, want it valid", err, out, errOut)
	}
	damaged := strings.Replace(description, `"responses":`, `"response":`, 1)
	if damaged == description {
		t.Fatal("there is no operation with responses")
	}
	if out, errOut, err := command(t, folder, damaged, "node", "validate.mjs"); err == nil || !strings.HasPrefix(errOut, "invalid: ") {
		t.Errorf("a damaged description: got %v %s%s, want it refused", err, out, errOut)
	}
}

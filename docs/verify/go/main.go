// Command go verifies a Gatehouse access token the way an API would, with a library that knows nothing of Gatehouse:
// github.com/coreos/go-oidc. It reads the token, or the token endpoint's answer, from standard input.
//
//	curl -s … http://127.0.0.1:8080/oauth/token | go run ./docs/verify/go -issuer http://127.0.0.1:8080 -audience https://hub.flox.dev/api
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

func main() {
	issuer := flag.String("issuer", "http://127.0.0.1:8080", "the issuer that the API trusts")
	audience := flag.String("audience", "", "the API's own identifier: the token must be meant for it")
	flag.Parse()
	if err := run(*issuer, *audience, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run(issuer, audience string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	raw, err := readToken(in)
	if err != nil {
		return err
	}
	// A long-lived API does this once: the provider caches the keys and fetches them again when it meets a new one.
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return err
	}
	// The library calls the expected audience ClientID. It checks signature, issuer, audience and times.
	token, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return err
	}
	pretty, err := json.MarshalIndent(claims, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "accepted: valid until %s\n%s\n", token.Expiry.Local().Format(time.TimeOnly), pretty)
	return err
}

// readToken accepts a bare token and the JSON that the token endpoint answers.
func readToken(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, 64<<10))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", fmt.Errorf("standard input holds neither a token nor the token endpoint's answer: %w", err)
	}
	if answer.AccessToken == "" {
		return "", fmt.Errorf("the token endpoint answered %s: %s", answer.Error, answer.Description)
	}
	return answer.AccessToken, nil
}

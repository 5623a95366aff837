package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/redis/go-redis/v9"
)

// serveFloor is the least that a token server can be: net/http, the form parsed, one ES256 token of the size that the broker
// issues signed by go-jose with a signer made once, and the answer as JSON. Beside it stand the two floors of introspection: the
// token verified each time, with one read of Redis, and nothing else.
func serveFloor(args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	size := flags.Int("payload", 500, "bytes of claims")
	store := flags.String("redis", "", "address of a Redis to read on introspection")
	if err := flags.Parse(args); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "floor"}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return err
	}
	type claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
		Rest     string `json:"rest"`
	}
	sign := func(subject, audience string) (string, error) {
		now := time.Now().Unix()
		c := claims{"https://floor.example", subject, audience, now, now + 900, rand.Text(), ""}
		short, err := json.Marshal(c)
		if err != nil {
			return "", err
		}
		c.Rest = padding[:max(min(*size-len(short), len(padding)), 0)]
		payload, err := json.Marshal(c)
		if err != nil {
			return "", err
		}
		jws, err := signer.Sign(payload)
		if err != nil {
			return "", err
		}
		return jws.CompactSerialize()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("client_secret") == "" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		t, err := sign(r.PostForm.Get("client_id"), r.PostForm.Get("audience"))
		if err != nil {
			http.Error(w, "error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": t, "token_type": "Bearer", "expires_in": 900})
	})
	var db *redis.Client
	if *store != "" {
		db = redis.NewClient(&redis.Options{Addr: *store})
	}
	mux.HandleFunc("POST /oauth/introspect", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		jws, err := jose.ParseSignedCompact(r.PostForm.Get("token"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			http.Error(w, "bad token", http.StatusBadRequest)
			return
		}
		payload, err := jws.Verify(key.Public())
		if err != nil {
			http.Error(w, "bad token", http.StatusBadRequest)
			return
		}
		var c claims
		if err := json.Unmarshal(payload, &c); err != nil {
			http.Error(w, "bad token", http.StatusBadRequest)
			return
		}
		if db != nil {
			if err := db.Get(r.Context(), "revoked:"+c.ID).Err(); err != redis.Nil {
				http.Error(w, "revoked", http.StatusBadRequest)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"active": true, "sub": c.Subject, "aud": c.Audience, "exp": c.Expires, "iat": c.IssuedAt, "jti": c.ID, "iss": c.Issuer})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, listener.Addr())
	return http.Serve(listener, mux)
}

const padding = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" +
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"hash"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/keys"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// refused checks that ring does not verify token as typ, for this reason.
func refused(t *testing.T, ring *keys.Ring, name, token, typ string, want error) {
	t.Helper()
	payload, key, err := ring.Verify(token, typ)
	if !errors.Is(err, want) || payload != nil || key != nil {
		t.Errorf("%s: got %q, %v, %v, want %v", name, payload, key, err, want)
	}
}

func header(alg, kid, typ string) string {
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	return `{"alg":` + quote(alg) + `,"kid":` + quote(kid) + `,"typ":` + quote(typ) + `}`
}

func TestVerifyReturnsPayloadAndKey(t *testing.T) {
	ring, set := newRing(t)
	for _, alg := range algs {
		for _, typ := range types {
			payload, key, err := ring.Verify(sign(t, ring, alg, typ, `{"a":1}`), typ)
			if err != nil || string(payload) != `{"a":1}` || key != keyOf(t, set, alg, keys.Active) {
				t.Errorf("%s %s: got %q, %v, %v", alg, typ, payload, key, err)
			}
		}
	}
}

// JWT-01: no spelling of "none", and no algorithm but the key's own (RFC 8725 §3.1), also with the right signature.
func TestVerifyRefusesOtherAlgorithms(t *testing.T) {
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	for _, alg := range []string{"none", "None", "nOnE", "ES384", "ES512", "es256", "HS256", "RS256", "EdDSA", "PS256", "ES256 ", "Ed25519"} {
		token := keys.SignRaw(k, header(alg, k.ID, "JWT"), "{}")
		refused(t, ring, alg, token, "JWT", keys.ErrSignature)
		refused(t, ring, alg+" unsigned", token[:strings.LastIndexByte(token, '.')+1], "JWT", keys.ErrSignature)
	}
	for _, h := range []string{`{"kid":"` + k.ID + `","typ":"JWT"}`, header("", k.ID, "JWT")} {
		refused(t, ring, h, keys.SignRaw(k, h, "{}"), "JWT", keys.ErrMalformed)
	}
}

// JWT-02: the public key is no HMAC secret, whatever its spelling (RFC 8725 §2.1).
func TestVerifyRefusesHMACWithThePublicKey(t *testing.T) {
	ring, set := newRing(t)
	for _, alg := range algs {
		k := keyOf(t, set, alg, keys.Active)
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := json.Marshal(jose.JSONWebKey{Key: k.Public(), KeyID: k.ID})
		if err != nil {
			t.Fatal(err)
		}
		secrets := map[string][]byte{"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "JWK": jwk}
		hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
		for form, secret := range secrets {
			for hs, h := range hashes {
				input := b64(header(hs, k.ID, "at+jwt")) + "." + b64("{}")
				mac := hmac.New(h, secret)
				mac.Write([]byte(input))
				refused(t, ring, form+" "+hs, input+"."+b64(string(mac.Sum(nil))), "at+jwt", keys.ErrSignature)
			}
		}
	}
}

// JWT-03: a signature counts for its own header and payload only.
func TestVerifyRefusesForeignSignatures(t *testing.T) {
	ring, _ := newRing(t)
	for _, alg := range algs {
		a := strings.Split(sign(t, ring, alg, "JWT", `{"a":1}`), ".")
		b := strings.Split(sign(t, ring, alg, "JWT", `{"a":2}`), ".")
		at := strings.Split(sign(t, ring, alg, "at+jwt", `{"a":1}`), ".")
		size := base64.RawURLEncoding.DecodedLen(len(a[2]))
		for name, sig := range map[string]string{
			"none": "", "zeros": b64(strings.Repeat("\x00", size)), "of another token": b[2], "short": a[2][4:],
			"long": a[2] + "AAAA", "of another type": at[2],
		} {
			refused(t, ring, string(alg)+" signature "+name, a[0]+"."+a[1]+"."+sig, "JWT", keys.ErrSignature)
		}
		refused(t, ring, "swapped header", at[0]+"."+a[1]+"."+a[2], "at+jwt", keys.ErrSignature)
		refused(t, ring, "swapped payload", a[0]+"."+b[1]+"."+a[2], "JWT", keys.ErrSignature)
	}
}

// JWT-05: the kid is looked up among ours and does nothing else.
func TestVerifyRefusesOtherKids(t *testing.T) {
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	other := keyOf(t, set, keys.EdDSA, keys.Active)
	for _, kid := range []string{"x", "../../etc/passwd", "' OR 1=1 --", k.ID + "\x00", strings.ToUpper(k.ID), k.ID + "="} {
		refused(t, ring, kid, keys.SignRaw(k, header("ES256", kid, "JWT"), "{}"), "JWT", keys.ErrUnknownKey)
	}
	refused(t, ring, "10 KB", keys.SignRaw(k, header("ES256", strings.Repeat("k", 10<<10), "JWT"), "{}"), "JWT", keys.ErrMalformed)
	refused(t, ring, "another key's", keys.SignRaw(k, header("ES256", other.ID, "JWT"), "{}"), "JWT", keys.ErrSignature)
	for _, kid := range []string{"1", "[]", `["` + k.ID + `"]`, "null", `""`, "{}", "true"} {
		h := `{"alg":"ES256","kid":` + kid + `,"typ":"JWT"}`
		refused(t, ring, kid, keys.SignRaw(k, h, "{}"), "JWT", keys.ErrMalformed)
	}
	refused(t, ring, "none", keys.SignRaw(k, `{"alg":"ES256","typ":"JWT"}`, "{}"), "JWT", keys.ErrMalformed)
}

// JWT-07: a key that the token brings along or points at is neither used nor fetched (RFC 8725 §3.10).
func TestVerifyIgnoresKeysInTheHeader(t *testing.T) {
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a URL of the header was fetched") }))
	defer canary.Close()
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	attacker, err := keys.Generate(keys.ES256, start)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: attacker.Public(), KeyID: k.ID})
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{
		`"jku":"` + canary.URL + `"`, `"x5u":"` + canary.URL + `"`, `"jwk":` + string(jwk), `"x5c":["MIIB"]`, `"jwk":{"kid":1,"kid":2}`,
	} {
		h := `{"alg":"ES256","kid":"` + k.ID + `","typ":"JWT",` + member + `}`
		refused(t, ring, member, keys.SignRaw(attacker, h, "{}"), "JWT", keys.ErrSignature)
		if _, _, err := ring.Verify(keys.SignRaw(k, h, "{}"), "JWT"); err != nil {
			t.Errorf("%s, signed by us: got %v, want it ignored", member, err)
		}
	}
}

// JWT-08 and RFC 7515 §4: what the header says must be understood, and said once.
func TestVerifyRefusesHeadersOutsideTheStandard(t *testing.T) {
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	good := `"alg":"ES256","kid":"` + k.ID + `","typ":"JWT"`
	for _, h := range []string{
		`{` + good + `,"crit":["x"],"x":1}`, `{` + good + `,"crit":["exp"]}`, `{` + good + `,"crit":[]}`, `{` + good + `,"crit":null}`,
		`{` + good + `,"b64":false}`, `{` + good + `,"b64":false,"crit":["b64"]}`, `{` + good + `,"b64":true}`, `{` + good + `,"\u0062\u0036\u0034":false}`,
		`{` + good + `,"alg":"none"}`, `{"alg":"none",` + good + `}`, `{` + good + `,"kid":"x"}`, `{` + good + `,"\u006bid":"x"}`, `{` + good + `,"x":1,"x":1}`,
		`{` + good, `{` + good + `}}`, `{` + good + `}{}`, `{` + good + `,}`, `[{` + good + `}]`, `null`, `"x"`, ``, `{}`, `{` + good + `,"x":` + strings.Repeat("[", 800) + `}`,
		"{" + good + ",\"x\":\"\xff\"}", "\ufeff{" + good + "}", `{` + good + `,"x":"` + strings.Repeat("x", 2048) + `"}`,
	} {
		refused(t, ring, h, keys.SignRaw(k, h, "{}"), "JWT", keys.ErrMalformed)
	}
	// Member names count by the letter: "ALG" is an unknown member, and is ignored like any other.
	for _, h := range []string{`{` + good + `,"ALG":"none"}`, " {\n" + good + "\t} ", `{` + good + `,"cty":"x","nested":{"alg":"none"}}`} {
		if _, _, err := ring.Verify(keys.SignRaw(k, h, "{}"), "JWT"); err != nil {
			t.Errorf("%s: got %v, want it accepted", h, err)
		}
	}
}

// JWT-10: no kind of token passes for another (RFC 9068 §4, RFC 8725 §3.11).
func TestVerifyRefusesOtherTypes(t *testing.T) {
	ring, set := newRing(t)
	for _, have := range types {
		for _, want := range types {
			if have != want {
				refused(t, ring, have+" as "+want, sign(t, ring, keys.ES256, have, "{}"), want, keys.ErrWrongType)
			}
		}
	}
	k := keyOf(t, set, keys.ES256, keys.Active)
	for _, typ := range []string{"at", "at+jwt ", "at+jw", "xat+jwt", "text/at+jwt", "application/", "application/application/at+jwt", "application/at+jwt/x"} {
		refused(t, ring, typ, keys.SignRaw(k, header("ES256", k.ID, typ), "{}"), "at+jwt", keys.ErrWrongType)
	}
	// U+212A, the Kelvin sign, folds to k.
	refused(t, ring, "Kelvin", keys.SignRaw(k, header("ES256", k.ID, "to\u212aen-introspection+jwt"), "{}"), keys.TypeIntrospection, keys.ErrWrongType)
	for _, typ := range []string{"1", "null", `["at+jwt"]`, `""`} {
		h := `{"alg":"ES256","kid":"` + k.ID + `","typ":` + typ + `}`
		refused(t, ring, typ, keys.SignRaw(k, h, "{}"), "at+jwt", keys.ErrMalformed)
	}
	refused(t, ring, "no typ", keys.SignRaw(k, `{"alg":"ES256","kid":"`+k.ID+`"}`, "{}"), "at+jwt", keys.ErrMalformed)
}

// A media type counts in either case, with or without "application/" (RFC 7515 §4.1.9).
func TestVerifyComparesTypesAsMediaTypes(t *testing.T) {
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	for _, have := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"} {
		for _, want := range []string{"at+jwt", "application/at+jwt"} {
			if _, _, err := ring.Verify(keys.SignRaw(k, header("ES256", k.ID, have), "{}"), want); err != nil {
				t.Errorf("%s as %s: got %v", have, want, err)
			}
		}
	}
}

// A byte string has one spelling in base64url (RFC 7515 §2): a token cannot be respelled to slip past a list of tokens.
func TestVerifyRefusesOtherSpellings(t *testing.T) {
	ring, _ := newRing(t)
	token := sign(t, ring, keys.ES256, "JWT", `{"a":"?~?"}`)
	p := strings.Split(token, ".")
	last := p[2][:len(p[2])-1] + string(p[2][len(p[2])-1]+1) // 64 bytes leave 4 bits of the last letter unused
	for name, respelled := range map[string]string{
		"padding": token + "==", "line end": token + "\n", "carriage return": p[0] + "." + p[1] + ".\r" + p[2], "space": token + " ",
		"spare bits": p[0] + "." + p[1] + "." + last, "leading space": " " + token, "standard alphabet": p[0] + "." + p[1] + "." + p[2][:10] + "+/" + p[2][12:],
		"line end in header": p[0][:4] + "\n" + p[0][4:] + "." + p[1] + "." + p[2], "padded header": p[0] + "=." + p[1] + "." + p[2],
	} {
		refused(t, ring, name, respelled, "JWT", keys.ErrMalformed)
	}
	refused(t, ring, "line end in payload", p[0]+"."+p[1]+"\n."+p[2], "JWT", keys.ErrSignature)
}

// JWT-15 and JWT-16: what is no compact JWS of a sane size is refused before it costs anything.
func TestVerifyRefusesOtherShapesAtOnce(t *testing.T) {
	ring, _ := newRing(t)
	token := sign(t, ring, keys.ES256, "JWT", "{}")
	pbes2 := b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":10000000,"p2s":"AAAA","zip":"DEF"}`)
	for name, s := range map[string]string{
		"empty": "", "one part": "abc", "two parts": "a.b", "four parts": token + ".x", "dots": "..", "more dots": "...", "trailing dot": token + ".",
		"JWE": pbes2 + "....", "JWE with parts": pbes2 + ".AA.AA.AA.AA", "JSON serialization": `{"payload":"e30","signatures":[]}`,
		"1 MB": strings.Repeat("a", 1<<20), "3 million dots": strings.Repeat(".", 3e6), "one byte too long": token + strings.Repeat("A", keys.MaxTokenSize+1-len(token)),
		"binary": "\x00\xff.\x00.\x00",
	} {
		fastest, least := time.Duration(1<<63-1), uint64(1<<63)
		for range 5 { // of five, since other work on the machine only ever adds
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			refused(t, ring, name, s, "JWT", keys.ErrMalformed)
			fastest = min(fastest, time.Since(begin))
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if fastest > 20*time.Millisecond || least > 64<<10 {
			t.Errorf("%s: took %s and %d bytes", name, fastest, least)
		}
	}
	largest := sign(t, ring, keys.ES256, "JWT", strings.Repeat("x", 12<<10-220))
	if _, _, err := ring.Verify(largest, "JWT"); err != nil || len(largest) > keys.MaxTokenSize {
		t.Errorf("token of %d bytes: got %v, want it accepted", len(largest), err)
	}
}

// Pending, active and retired keys verify, removed ones do not (a token of a removed key is a token of nobody).
func TestVerifyByState(t *testing.T) {
	p := keys.DefaultPolicy()
	set := setUp(t, keys.ES256)
	old := keyOf(t, set, keys.ES256, keys.Active)
	token := sign(t, ringOf(t, set), keys.ES256, "JWT", "{}")

	set = apply(t, set, keys.RotateNow(set, keys.ES256, p, start), start)
	pending := keyOf(t, set, keys.ES256, keys.Pending)
	early := keys.SignRaw(pending, header("ES256", pending.ID, "JWT"), "{}")
	if _, k, err := ringOf(t, set).Verify(early, "JWT"); err != nil || k != pending {
		t.Errorf("token of a pending key: got %v, %v", k, err)
	}
	now := pending.ActiveAt
	changes, _ := keys.Plan(set, []keys.Alg{keys.ES256}, p, now)
	set = apply(t, set, changes, now)
	if _, k, err := ringOf(t, set).Verify(token, "JWT"); err != nil || k.ID != old.ID || k.State != keys.Retired {
		t.Errorf("token of a retired key: got %v, %v", k, err)
	}
	changes, err := keys.Remove(set, old.ID, now)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, ringOf(t, apply(t, set, changes, now)), "removed", token, "JWT", keys.ErrUnknownKey)
}

// F4: no mutation of a single bit, anywhere in the token, verifies.
func TestVerifyRefusesEveryOneBitMutation(t *testing.T) {
	ring, _ := newRing(t)
	for _, alg := range algs {
		t.Run(string(alg), rapid.MakeCheck(func(t *rapid.T) {
			payload := rapid.String().Draw(t, "payload")
			token := []byte(sign(t, ring, alg, "JWT", payload))
			got, _, err := ring.Verify(string(token), "JWT")
			if err != nil || string(got) != payload {
				t.Fatalf("got %q, %v, want the payload %q back", got, err, payload)
			}
			bit := rapid.IntRange(0, 8*len(token)-1).Draw(t, "bit")
			token[bit/8] ^= 1 << (bit % 8)
			if got, _, err := ring.Verify(string(token), "JWT"); err == nil {
				t.Fatalf("bit %d flipped: got %q accepted", bit, got)
			}
		}))
	}
	// One token in full, bit for bit: also what the draw above misses.
	token := []byte(sign(t, ring, keys.EdDSA, "JWT", `{"sub":"alice"}`))
	for bit := range 8 * len(token) {
		token[bit/8] ^= 1 << (bit % 8)
		if _, _, err := ring.Verify(string(token), "JWT"); err == nil {
			t.Errorf("bit %d flipped: accepted", bit)
		}
		token[bit/8] ^= 1 << (bit % 8)
	}
}

// The equations of ECDSA hold for signatures out of range too, if nobody looks: CVE-2022-21449.
func TestVerifyRefusesSignaturesOutOfRange(t *testing.T) {
	ring, set := newRing(t)
	k := keyOf(t, set, keys.ES256, keys.Active)
	n := elliptic.P256().Params().N.Bytes()
	zero := make([]byte, 32)
	input := b64(header("ES256", k.ID, "JWT")) + "." + b64("{}")
	digest := sha256.Sum256([]byte(input))
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := foreign.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string]string{
		"0,0": string(zero) + string(zero), "n,n": string(n) + string(n), "0,n": string(zero) + string(n), "n,0": string(n) + string(zero), "DER": string(der),
	} {
		refused(t, ring, name, input+"."+b64(sig), "JWT", keys.ErrSignature)
	}
}

// FuzzVerify looks for an accepted token that was not signed: whatever is accepted carries what this test signed.
func FuzzVerify(f *testing.F) {
	set := setUp(f, keys.ES256, keys.EdDSA)
	ring := ringOf(f, set)
	payload := `{"iss":"https://id.example","sub":"alice"}`
	for _, alg := range []keys.Alg{keys.ES256, keys.EdDSA} {
		k := keyOf(f, set, alg, keys.Active)
		f.Add(sign(f, ring, alg, "at+jwt", payload), "at+jwt")
		f.Add(keys.SignRaw(k, `{"typ":"application/at+jwt","jwk":{},"kid":"`+k.ID+`","alg":"`+string(alg)+`"}`, payload), "at+jwt")
		f.Add(keys.SignRaw(k, header("none", k.ID, "JWT"), payload), "JWT")
		f.Add(keys.SignRaw(k, `{"alg":"`+string(alg)+`","kid":"`+k.ID+`","typ":"JWT","crit":["b64"],"b64":false}`, payload), "JWT")
	}
	f.Add("..", "")
	f.Add("eyJhbGciOiJub25lIn0.e30.", "JWT")
	f.Fuzz(func(t *testing.T, token, typ string) {
		got, key, err := ring.Verify(token, typ)
		if err == nil && (string(got) != payload || key == nil || !strings.HasSuffix(strings.ToLower(typ), "at+jwt")) {
			t.Fatalf("accepted %q as %q: %q", token, typ, got)
		}
		if err != nil && (got != nil || key != nil) {
			t.Fatalf("refused %q with a payload or a key", token)
		}
		for _, want := range []error{keys.ErrMalformed, keys.ErrWrongType, keys.ErrUnknownKey, keys.ErrSignature} {
			if errors.Is(err, want) {
				return
			}
		}
		if err != nil {
			t.Fatalf("refused %q with an error of no kind: %v", token, err)
		}
	})
}

// FuzzHeader signs any header that the fuzzer invents: whatever is accepted, an independent reading of the JSON agrees with.
func FuzzHeader(f *testing.F) {
	set := setUp(f, keys.EdDSA)
	ring := ringOf(f, set)
	k := keyOf(f, set, keys.EdDSA, keys.Active)
	f.Add(`{"alg":"EdDSA","kid":"KID","typ":"JWT"}`)
	f.Add(`{"alg":"EdDSA","kid":"KID","typ":"application/JWT","jwk":{"kid":1},"x":[1,{"y":null}]}`)
	f.Add(`{"alg":"EdDSA","kid":"KID","typ":"JWT","kid":"KID"}`)
	f.Add(`{"alg":"EdDSA","kid":"KID","typ":"JWT","crit":[]}`)
	f.Fuzz(func(t *testing.T, h string) {
		h = strings.ReplaceAll(h, "KID", k.ID)
		token := keys.SignRaw(k, h, "{}")
		if _, _, err := ring.Verify(token, "JWT"); err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(h), &m); err != nil {
			t.Fatalf("accepted header %q, which encoding/json refuses: %v", h, err)
		}
		if _, ok := m["crit"]; ok || m["alg"] != "EdDSA" || m["kid"] != k.ID || m["b64"] != nil {
			t.Fatalf("accepted header %q, read as %v", h, m)
		}
		if _, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA}); err != nil && m["jwk"] == nil && m["x5c"] == nil && m["nonce"] == nil {
			t.Fatalf("accepted header %q, which go-jose refuses: %v", h, err)
		}
	})
}

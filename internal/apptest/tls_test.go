package apptest_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apptest"
)

// The TLS listener speaks TLS 1.2 with forward secrecy and 1.3, HTTP/2, nothing older, and takes a new certificate without a
// restart and without losing a request (security catalogue MIS-09).
func TestTLSListener(t *testing.T) {
	t.Parallel()
	s := newSite(t).production()
	first := certificate{apptest.NewCertificate(t, 1)}
	first.write(t, s)
	s.set("GATEHOUSE_ISSUER=https://localhost:8443", "GATEHOUSE_TLS_CERT="+s.path("tls.crt"), "GATEHOUSE_TLS_KEY="+s.path("tls.key"))
	p := s.serve("--apply", "acme.yaml")

	for name, c := range map[string]struct {
		config  *tls.Config
		refusal string // of the handshake; "": it works
	}{
		"TLS 1.0":                 {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "protocol version"},
		"TLS 1.1":                 {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "protocol version"},
		"TLS 1.2":                 {&tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		"TLS 1.2, CBC":            {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, "handshake failure"},
		"TLS 1.2, static RSA key": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "handshake failure"},
		"TLS 1.3":                 {&tls.Config{MinVersion: tls.VersionTLS13}, ""},
	} {
		c.config.RootCAs, c.config.ServerName = first.Pool, "localhost"
		conn, err := tls.Dial("tcp", s.address, c.config)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: got %v, want the refusal %q", name, err, c.refusal)
		}
	}

	client := first.client()
	response, err := client.Get("https://" + s.address + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: got %s, HSTS %q, want HTTP/2 with HSTS", response.Proto, response.Header.Get("Strict-Transport-Security"))
	}

	// A connection that is kept goes on while new ones see the new certificate.
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			response, err := client.Get("https://" + s.address + "/.well-known/jwks.json")
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("request while the certificate changes: got %v, %v", response, err)
				return
			}
			_ = response.Body.Close()
		}
	})
	second := certificate{apptest.NewCertificate(t, 2)}
	second.write(t, s)
	await(t, "new certificate", func() bool { return serialAt(t, s.address) == 2 })
	close(stop)
	running.Wait()

	// What is no certificate is not used.
	s.write("tls.crt", "this is no certificate\n")
	await(t, "complaint about the file", func() bool { return p.logHas("the new TLS certificate is not used") })
	if got := serialAt(t, s.address); got != 2 {
		t.Errorf("certificate after a bad file: got number %d, want 2", got)
	}
	p.stop()
}

type certificate struct{ *apptest.Certificate }

// write puts the pair where the configuration names it, each file whole, as whoever renews certificates does.
func (c certificate) write(t testing.TB, s *site) {
	t.Helper()
	for name, data := range map[string][]byte{"tls.crt": c.Cert, "tls.key": c.Key} {
		next := s.write(name+".next", string(data))
		if err := os.Rename(next, s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (c certificate) client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: c.Pool, ServerName: "localhost"}, ForceAttemptHTTP2: true,
	}}
}

// serialAt returns the number of the certificate that a new connection sees.
func serialAt(t testing.TB, address string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // which certificate it is, is the question
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// writePair writes a certificate for 127.0.0.1 that ends at notAfter and has this serial number.
func writePair(t *testing.T, certFile, keyFile string, serial int64, notAfter time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// MIS-09: old protocols and weak suites are refused. R28: a new certificate is used without a restart and without dropping a
// connection; a bad or expired one leaves the old in use.
func TestTLSReloadsGoodCertificatesOnly(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	now := time.Now()
	writePair(t, certFile, keyFile, 1, now.Add(time.Hour))
	cert, err := web.LoadCertificate(certFile, keyFile, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(ctx, web.NewServer(newRouter(t, web.RouterConfig{}, get("/", ok)), cert.TLSConfig(), web.Limits{}, slog.DiscardHandler), l, web.Drain{Timeout: 5 * time.Second})
	}()
	serial := func(change func(*tls.Config)) (int64, error) {
		config := &tls.Config{InsecureSkipVerify: true} // the certificate is its own root; its serial is what is looked at
		if change != nil {
			change(config)
		}
		conn, err := tls.Dial("tcp", l.Addr().String(), config)
		if err != nil {
			return 0, err
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
	}
	want := func(n int64) {
		t.Helper()
		if got, err := serial(nil); err != nil || got != n {
			t.Errorf("got certificate %d %v, want %d", got, err, n)
		}
	}
	want(1)
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		if _, err := serial(change); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if got := cert.TLSConfig().MinVersion; got != tls.VersionTLS12 { // the suites alone would refuse what is older
		t.Errorf("got minimum version %s", tls.VersionName(got))
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	fetch := func() {
		t.Helper()
		res, err := client.Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.ProtoMajor != 2 || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 1 {
			t.Errorf("the kept connection became %s with certificate %v", res.Proto, res.TLS.PeerCertificates[0].SerialNumber)
		}
	}
	fetch()

	writePair(t, certFile, keyFile, 2, now.Add(-time.Minute))
	if err := cert.Reload(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: got %v", err)
	}
	want(1)
	if err := os.WriteFile(certFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cert.Reload(); err == nil {
		t.Error("nonsense: got no error")
	}
	want(1)
	writePair(t, certFile, keyFile, 3, now.Add(2*time.Hour))
	if err := cert.Reload(); err != nil {
		t.Error(err)
	}
	want(3)
	if got := cert.NotAfter(); got.Unix() != now.Add(2*time.Hour).Unix() {
		t.Errorf("got NotAfter %v", got)
	}
	fetch()
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := web.LoadCertificate(filepath.Join(dir, "none"), keyFile, time.Now); err == nil {
		t.Error("a missing file: got no error")
	}
}

// R28: the watch finds a change, uses a good pair, and says once of a bad one that the old stays.
func TestCertificateWatchSaysWhatItDoes(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	synctest.Test(t, func(t *testing.T) {
		writePair(t, certFile, keyFile, 1, time.Now().Add(time.Hour))
		cert, err := web.LoadCertificate(certFile, keyFile, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		log := new(lines)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { cert.Watch(ctx, time.Minute, slog.New(log.handler())); close(ended) }()
		pass := func() { time.Sleep(3 * time.Minute); synctest.Wait() }
		said := func(want ...string) {
			t.Helper()
			got := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
			if len(got) != len(want) {
				t.Fatalf("got %d lines, want %d:\n%s", len(got), len(want), log)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("line %d: got %s want %s", i, got[i], want[i])
				}
			}
		}
		pass()
		if log.String() != "" {
			t.Errorf("nothing changed: got %s", log)
		}
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		pass()
		said("the old one stays")
		writePair(t, certFile, keyFile, 2, time.Now().Add(48*time.Hour))
		pass()
		said("the old one stays", "new TLS certificate in use")
		if left := time.Until(cert.NotAfter()); left < 40*time.Hour {
			t.Errorf("the new pair is not used: %v left", left)
		}
		stop()
		<-ended
	})
}

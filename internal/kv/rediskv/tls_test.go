package rediskv_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/kv/redistest"
)

// Over TLS the server must prove its name with a certificate of a known authority; there is no way back to plain TCP.
func TestTLSVerifiesTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, certKey := selfSigned(t, dir, "server")
	other, _ := selfSigned(t, dir, "other")
	srv := redistest.Start(t)
	port := redistest.FreePort(t)
	srv.Do("config", "set", "tls-port", port, "tls-cert-file", cert, "tls-key-file", certKey, "tls-auth-clients", "no")
	addr := net.JoinHostPort("127.0.0.1", port)

	s := open(t, "rediss://"+addr+"?tls_ca="+cert)
	if err := set(s, "u", kv.AckPrimary); err != nil {
		t.Errorf("Apply: %v", err)
	}
	wantRefused(t, "rediss://"+addr+"?tls_ca="+other, kv.ErrUnavailable, "certificate")
	wantRefused(t, "rediss://"+addr, kv.ErrUnavailable, "certificate")
	wantRefused(t, "rediss://"+strings.Replace(addr, "127.0.0.1", "localhost", 1)+"?tls_ca="+cert, kv.ErrUnavailable, "match localhost")
	wantRefused(t, "rediss://"+srv.Addr()+"?tls_ca="+cert, kv.ErrUnavailable, "redis")
}

// selfSigned writes a certificate for 127.0.0.1 and its key and returns the files.
func selfSigned(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(suffix, kind string, der []byte) string {
		file := filepath.Join(dir, name+suffix)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write(".crt", "CERTIFICATE", der), write(".key", "PRIVATE KEY", keyDER)
}

package apptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
)

// A Certificate is a self-made one for this machine, with the pool that trusts it.
type Certificate struct {
	Cert, Key []byte // PEM
	Pool      *x509.CertPool
}

// NewCertificate makes a certificate with a serial number, good for an hour.
func NewCertificate(t testing.TB, serial int64) *Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "gatehouse test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &Certificate{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		Pool: x509.NewCertPool(),
	}
	c.Pool.AppendCertsFromPEM(c.Cert)
	return c
}

// StartTLS is Start for a broker whose issuer is an https address at localhost, as third parties demand of one.
func StartTLS(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	data, certificate := t.TempDir(), NewCertificate(t, 1)
	cert, key := filepath.Join(data, "tls.crt"), filepath.Join(data, "tls.key")
	for path, content := range map[string][]byte{cert: certificate.Cert, key: certificate.Key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := Start(t, append([]Option{Data(data), Config(func(c *config.Config) {
		_, port, _ := net.SplitHostPort(c.Listen)
		c.Issuer, c.TLS = "https://localhost:"+port, config.TLS{Cert: cert, Key: key}
	})}, opts...)...)
	b.URL, b.CertFile = b.Issuer, cert
	b.HTTP = &http.Client{
		Timeout: client.Timeout, CheckRedirect: client.CheckRedirect,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.Pool}, ForceAttemptHTTP2: true},
	}
	t.Cleanup(b.HTTP.CloseIdleConnections)
	return b
}

package outbound

import (
	"crypto/x509"
	"net/http"
)

// Trust has a client believe the certificates of a test's server, beside nothing else.
func Trust(c *http.Client, roots *x509.CertPool) {
	c.Transport.(*guarded).secure.TLSClientConfig.RootCAs = roots
}

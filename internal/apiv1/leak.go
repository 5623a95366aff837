package apiv1

import (
	"context"
	"net/http"
)

// A LeakReport is a client secret that somebody has found where it should not be.
type LeakReport struct {
	Secret string `json:"secret" minLength:"1" maxLength:"512" doc:"The secret itself, as in gate_cs_…"`
}

// A LeakReceipt is the answer to a report: the same whether the secret was one of Gatehouse's or not.
type LeakReceipt struct {
	Status string `json:"status" doc:"received"`
}

// ReportLeak ends a client secret, if it is one, at once. Anybody who has a token for the API may report one.
func (c *Client) ReportLeak(ctx context.Context, secret string) error {
	_, err := c.do(ctx, call{method: http.MethodPost, path: "/leaks", body: LeakReport{Secret: secret}})
	return err
}

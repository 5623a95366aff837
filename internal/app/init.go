package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// InitOptions say where Init leaves what it makes.
type InitOptions struct {
	SecretFile string    // gets the operator client's secret, mode 0600; it must not hold another one
	Out        io.Writer // for people
}

// Init sets a store up for the first time: its keys and the operator client. On a store that is set up already it changes
// nothing and says so.
func Init(ctx context.Context, c *config.Config, o InitOptions) (err error) {
	sealer, err := loadSealer(c)
	if err != nil {
		return err
	}
	engine, err := openEngine(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	st := store.New(engine, store.Options{Budget: c.Limits.StoreBudget, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	inst, _, err := openInstallation(ctx, st, sealer)
	if err != nil {
		return err
	}
	if inst != nil {
		return fmt.Errorf("this store was set up on %s for %s: nothing was changed", inst.CreatedAt.Format(time.DateOnly), inst.Issuer)
	}
	s := setup{issuer: c.Issuer, operator: true, algs: algorithms(c), policy: policyOf(c)}
	if s.secret, err = operatorSecret(o.SecretFile); err != nil {
		return err
	}
	made, err := initialise(ctx, st, sealer, s, time.Now())
	if err != nil {
		return err
	}
	if !made {
		return fmt.Errorf("this store was set up by somebody else at the same moment: the secret in %s is not its operator's", o.SecretFile)
	}
	if _, err = fmt.Fprintf(o.Out, "The store is set up for %s.\nThe secret of the client %q is in %s; whoever has it may do everything.\nNow run: gatehouse serve\n",
		c.Issuer, OperatorID, o.SecretFile); err != nil || !c.SignIn.Passwords {
		return err
	}
	link, err := linksOf(st, c.Issuer).Create(ctx, iam.Link{Purpose: iam.LinkOperator, ExpiresAt: time.Now().Add(authn.OperatorLife)})
	if err != nil {
		return fmt.Errorf("everything is set up but the invitation of the first operator: %w", err)
	}
	_, err = fmt.Fprintf(o.Out, "Once it serves, whoever opens this link becomes the first person who may do everything (once, within a day):\n  %s\n", link)
	return err
}

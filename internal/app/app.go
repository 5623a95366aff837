package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/activity"
	"github.com/gatehouse-id/gatehouse/internal/adminapi"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/authn"
	"github.com/gatehouse-id/gatehouse/internal/authserver"
	"github.com/gatehouse-id/gatehouse/internal/authzen"
	"github.com/gatehouse-id/gatehouse/internal/clientauth"
	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/kv"
	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/page"
	"github.com/gatehouse-id/gatehouse/internal/secret"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/token"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/keys"
)

// Options say how to run a broker.
type Options struct {
	Config  *config.Config
	DataDir string   // where dev keeps its files
	Apply   []string // files of configuration documents to apply before serving
	Log     *slog.Logger
	Out     io.Writer // for people: what dev prints
}

// An App is a broker that is ready to Run. New has opened its listeners and its store.
type App struct {
	options    Options
	log        *slog.Logger
	engine     kv.Store
	store      *store.Store
	keyring    *keyring
	activity   *activity.Recorder
	directory  *directory.Service
	refusals   *adminapi.Refusals
	notifier   *authserver.Notifier
	draining   chan struct{} // closed when it is about to end
	policy     *token.Policy
	tokens     *token.Issuer
	sessions   *authn.Sessions
	readiness  *web.Readiness
	public     *http.Server
	operations *http.Server
	listener   net.Listener
	opListener net.Listener
	welcome    string
	letters    *authn.Letters

	background context.Context // of what runs beside the requests
	stop       context.CancelFunc
	running    sync.WaitGroup
}

// New opens the store, sets it up if that is asked for, applies the documents given, and wires everything that Run serves.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{options: o, log: o.Log, draining: make(chan struct{})}
	a.background, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	c := o.Config

	// Storage, and who we are.
	sealer, err := loadSealer(c)
	if err != nil {
		return nil, err
	}
	if a.engine, err = openEngine(ctx, c); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx); err != nil {
		return nil, err
	}
	hasher, err := a.install(ctx, sealer)
	if err != nil {
		return nil, err
	}

	// Keys, tokens, clients.
	server := &authserver.Server{
		Issuer:       c.Issuer,
		Algorithms:   algorithms(c),
		JWKSMaxAge:   c.Keys.JWKSMaxAge,
		DetailTypes:  detailTypes(),
		TokenLimit:   limiter("token", c),
		InspectLimit: limiter("inspect", c),

		AuthorizeLimit: limiter("authorize", c),
	}
	a.keyring = &keyring{
		store: a.store, sealer: sealer, policy: policyOf(c), algs: algorithms(c),
		publish: server.PublishKeys, now: time.Now, log: o.Log, holder: iam.NewID("r"),
	}
	a.keyring.watch()
	a.activity = activity.New(a.store, iam.NewID("r"), time.Now, o.Log)
	server.Origin = func(ctx context.Context, origin string) bool {
		listed, err := a.store.OriginListed(ctx, origin)
		return err == nil && listed
	}
	server.Issued, server.Denied = a.activity.SubjectUsed, a.activity.Denied
	server.Clients = &clientauth.Authenticator{
		Directory: a.store, Secrets: hasher, Failures: clientauth.NewFailures(), Failed: a.activity.Failed, Used: a.activity.SecretUsed, Now: time.Now,
	}
	models := &directory.Models{Store: a.store}
	server.Policy = &token.Policy{
		Issuer: c.Issuer, Directory: a.store, Facts: facts(a.store), Model: models.Named,
		Revision:    func() uint64 { return uint64(a.store.Revision()) },
		IssuedAfter: a.store.IssuedAfter, DefaultLifetime: c.Tokens.DefaultLifetime, Now: time.Now,
	}
	server.Tokens = &token.Issuer{Issuer: c.Issuer, Ring: a.keyring.Ring, Now: time.Now}
	server.Inspector = &token.Inspector{
		Issuer: c.Issuer, Ring: a.keyring.Ring, Refresh: a.keyring.refresh, Revocations: a.store, Directory: a.store, Now: time.Now,
	}
	a.policy, a.tokens = server.Policy, server.Tokens
	people, err := a.people(hasher)
	if err != nil {
		return nil, err
	}
	a.sessions = people.sessions
	server.Handles, server.Grants, server.People, server.Tickets = people.handles, a.store, people.sessions, people.tickets
	server.Pushed = a.store
	server.Lives = authserver.Lives{
		Code: c.Grants.CodeLifetime, Device: c.Grants.DeviceLifetime, RefreshIdle: c.Grants.RefreshIdle, RefreshWhole: c.Grants.RefreshLifetime,
		RefreshGrace: c.Grants.RefreshGrace, IDToken: time.Hour,
	}
	server.Revoker = &token.Revoker{
		Inspector: server.Inspector, Marks: a.store,
		MaxLifetime: iam.MaxTokenLifetime, MaxGrant: max(c.Grants.RefreshLifetime, c.Sessions.Lifetime), ClockSkew: c.Keys.ClockSkew, Now: time.Now,
	}
	a.notifier = authserver.NewNotifier(authserver.Notifier{
		Store: a.store, Tokens: server.Tokens, HTTP: outbound.New(a.guard()), Now: time.Now, Log: o.Log,
	})
	server.Endings = &authn.Endings{
		Store: a.store, Mark: server.Revoker.All, Noticed: a.notifier.Wake, Idle: c.Sessions.Idle, Now: time.Now,
	}
	server.People.Endings = server.Endings

	// Changes, and the API to make them.
	auditKey, err := hasher.Derive(audit.KeyLabel)
	if err != nil {
		return nil, err
	}
	a.directory = &directory.Service{
		Store: a.store, Secrets: hasher, Audit: auditKey, Models: models, Algorithms: algorithms(c), Issuer: c.Issuer, Sealer: sealer,
		Revoke: server.Endings.Everything, Now: time.Now, OwnerRequest: c.Admin.OwnerRequest == "required",
		LastUsed: a.store.SecretsUsed, SubjectUsed: a.store.SubjectUsed, Denied: denied(a.store),
	}
	a.keyring.settle = a.directory.Settle
	a.letters = a.newLetters()
	a.refusals = &adminapi.Refusals{Directory: a.directory, Now: time.Now, Log: o.Log}
	admin := &adminapi.Server{
		Refusals: a.refusals, Draining: a.draining,
		Issuer: c.Issuer, Directory: a.directory, Store: a.store, Inspector: server.Inspector, Revoker: server.Revoker, Endings: server.Endings, Keys: a.keyring, Letters: a.letters,
		Limit: limiter("admin", c), Sealer: sealer,
	}

	signIn := a.signIn(people, hasher, server.Endings)
	decisions := &authzen.Server{
		Issuer: c.Issuer, Directory: a.directory, Authenticate: admin.Authenticate, Limit: limiter("authzen", c),
	}

	upstream, err := a.upstream(people, hasher, sealer)
	if err != nil {
		return nil, err
	}

	// What is served.
	metrics := web.NewMetrics()
	for _, l := range []*web.Limiter{server.TokenLimit, server.InspectLimit, server.AuthorizeLimit, admin.Limit, decisions.Limit, signIn.Limit, upstream.Limit} {
		metrics.AddLimiter(l)
	}
	oauth, err := server.Routes()
	if err != nil {
		return nil, err
	}
	api, err := admin.Routes()
	if err != nil {
		return nil, err
	}
	pdp, err := decisions.Routes()
	if err != nil {
		return nil, err
	}
	if err := a.keyring.load(ctx); err != nil {
		return nil, err
	}
	if err := a.seed(ctx); err != nil {
		return nil, err
	}
	router, err := web.NewRouter(web.RouterConfig{
		Log: o.Log.Handler(), Metrics: metrics, Proxies: web.Proxies(c.TrustedProxies), HTTPS: strings.HasPrefix(c.Issuer, "https://"),
	}, slices.Concat(oauth, api, pdp, page.Routes(), signIn.Routes(), upstream.Routes())...)
	if err != nil {
		return nil, err
	}
	a.readiness = web.NewReadiness(
		web.Check{Name: "store", Run: a.checkStore},
		web.Check{Name: "keys", Run: a.checkKeys},
	)
	operations, err := web.NewOperations(o.Log.Handler(), metrics, a.readiness)
	if err != nil {
		return nil, err
	}
	return a, a.listen(ctx, router, operations)
}

// openStore puts the typed store over the engine and waits until this replica is up to date.
func (a *App) openStore(ctx context.Context) error {
	c := a.options.Config
	health, err := a.engine.Health(ctx)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for _, w := range health.Warnings {
		a.log.WarnContext(ctx, "store", "engine", health.Engine, "warning", w)
	}
	a.store = store.New(a.engine, store.Options{
		Lease: c.Cache.Lease, CacheEntries: c.Cache.Entries, Budget: c.Limits.StoreBudget, Now: time.Now, Log: a.log,
	})
	ready := make(chan struct{})
	a.running.Go(func() { a.store.Run(a.background, func() { close(ready) }) })
	select {
	case <-ready:
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("store: does not answer; is it up, and is its address right?")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// install opens the installation, or makes it where that is asked for, and returns the hasher under its pepper.
func (a *App) install(ctx context.Context, sealer *keys.Sealer) (*secret.Hasher, error) {
	o, c := a.options, a.options.Config
	inst, hasher, err := openInstallation(ctx, a.store, sealer)
	if err != nil {
		return nil, err
	}
	if inst == nil {
		if !c.Dev && len(o.Apply) == 0 {
			return nil, errors.New("this store has never been set up: run gatehouse init (or serve --apply FILE, or serve --dev on your own machine)")
		}
		s := setup{issuer: c.Issuer, dev: c.Dev, operator: c.Dev, algs: algorithms(c), policy: policyOf(c)}
		if c.Dev {
			if s.secret, err = operatorSecret(filepath.Join(o.DataDir, "operator.secret")); err != nil {
				return nil, err
			}
		}
		if _, err := initialise(ctx, a.store, sealer, s, time.Now()); err != nil {
			return nil, err
		}
		if inst, hasher, err = openInstallation(ctx, a.store, sealer); err != nil {
			return nil, err
		}
		if inst == nil {
			return nil, errors.New("the store forgot its set-up: it does not keep what it acknowledges")
		}
	}
	a.store.Bind(inst.ID)
	if !inst.CommandLine {
		if err := ensureCommandLine(ctx, a.store, time.Now()); err != nil {
			return nil, fmt.Errorf("the client of the command line: %w", err)
		}
	}
	switch {
	case c.Dev && !inst.Dev:
		return nil, errors.New("this store was not made by serve --dev: start without --dev, or name another one (--data, GATEHOUSE_STORE)")
	case inst.Issuer != c.Issuer && c.Dev && c.IsDefault("issuer"):
		c.Issuer = inst.Issuer // a second replica of a dev set-up: one issuer, another port
	case inst.Issuer != c.Issuer:
		a.log.WarnContext(ctx, "the store was set up for another issuer; tokens issued under that one are refused here", "configured", c.Issuer, "store", inst.Issuer)
	}
	return hasher, nil
}

// checkStore is readiness: the store answers, and what this replica remembers of it is recent.
func (a *App) checkStore(ctx context.Context) error {
	if !a.store.Current() {
		return iam.Errorf(iam.Unavailable, "the store has not answered for longer than the cache may be used")
	}
	_, err := a.store.Health(ctx)
	return err
}

// checkKeys is readiness: tokens can be signed. Only the default algorithm counts: one that was added later signs when its key has
// been published long enough, and what does not ask for it must not wait for that.
func (a *App) checkKeys(context.Context) error {
	if _, err := a.keyring.Ring().Signer(keys.ES256, keys.TypeAccessToken); err != nil {
		return iam.Errorf(iam.Unavailable, "no %s key signs yet", keys.ES256)
	}
	return nil
}

// certificateEvery is how often the files of the TLS certificate are looked at.
const certificateEvery = 5 * time.Second

// listen takes the addresses, so that a port in use is said before anything else happens.
func (a *App) listen(ctx context.Context, public, operations http.Handler) error {
	c := a.options.Config
	var err error
	if a.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if a.opListener, err = net.Listen("tcp", c.Operations.Listen); err != nil {
		return fmt.Errorf("operations.listen: %w", err)
	}
	var tlsConfig *tls.Config
	if c.TLS.Cert != "" {
		certificate, err := web.LoadCertificate(c.TLS.Cert, c.TLS.Key, time.Now)
		if err != nil {
			return err
		}
		a.running.Go(func() { certificate.Watch(a.background, certificateEvery, a.log) })
		tlsConfig = certificate.TLSConfig()
	}
	a.public = web.NewServer(public, tlsConfig, web.Limits{}, a.log.Handler())
	a.operations = web.NewServer(operations, nil, web.Limits{Write: 5 * time.Minute}, a.log.Handler())
	return nil
}

// Addr returns the address of the public listener.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Handler returns what the public listener serves.
func (a *App) Handler() http.Handler { return a.public.Handler }

// OperationsAddr returns the address of the operations listener.
func (a *App) OperationsAddr() net.Addr { return a.opListener.Addr() }

// Run serves until ctx ends, then drains: readiness turns red, requests are served on for the configured delay, those under way
// are finished, and the store is closed.
func (a *App) Run(ctx context.Context) error {
	c := a.options.Config
	a.running.Go(func() { a.keyring.run(a.background) })
	a.running.Go(func() { a.sweep(a.background) })
	a.running.Go(func() { a.activity.Run(a.background) })
	a.running.Go(func() { a.notifier.Run(a.background) })
	if a.letters.Outbox != nil {
		a.running.Go(func() { a.letters.Outbox.Run(a.background) })
	}
	a.log.InfoContext(ctx, "serving", "issuer", c.Issuer, "listen", a.Addr().String(), "operations", a.OperationsAddr().String())
	if a.welcome != "" {
		fmt.Fprint(a.options.Out, a.welcome)
	}
	begin := func() {
		a.readiness.Drain()
		close(a.draining)
		a.log.Info("ending: serving on until balancers have noticed", "delay", c.Drain.Delay.String(), "timeout", c.Drain.Timeout.String())
	}
	drain := web.Drain{Begin: begin, Delay: c.Drain.Delay, Timeout: c.Drain.Timeout}
	if c.Dev {
		drain.Delay = 0 // nobody balances load to a laptop
	}
	// The operations listener tells the balancer to the last, so it outlives the public one.
	opCtx, opStop := context.WithCancel(context.WithoutCancel(ctx))
	opDone := make(chan error, 1)
	go func() { opDone <- web.Serve(opCtx, a.operations, a.opListener, web.Drain{Timeout: time.Second}) }()
	err := web.Serve(ctx, a.public, a.listener, drain)
	opStop()
	err = errors.Join(err, <-opDone)
	return errors.Join(err, a.close())
}

// close ends what runs in the background and closes the store. It may be called with half of New done.
func (a *App) close() error {
	for _, l := range []net.Listener{a.listener, a.opListener} {
		if l != nil {
			_ = l.Close() // closed already when it was served
		}
	}
	a.stop()
	a.running.Wait()
	if a.engine == nil {
		return nil
	}
	if a.refusals != nil {
		if err := a.refusals.Flush(context.Background(), true); err != nil {
			a.log.Warn("telling of further refusals", "error", err)
		}
	}
	return a.engine.Close()
}

// sweep does what is due now and then: it writes the revocations that a crash has left owed, and drops what no follower
// of the logs needs any more. Which replica does it does not matter.
func (a *App) sweep(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	anchored := time.Now().Add(-time.Hour)
	for minute := 0; ; minute++ {
		if err := a.directory.Settle(ctx); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "writing owed revocations", "error", err)
		}
		if err := a.refusals.Flush(ctx, false); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "telling of further refusals", "error", err)
		}
		if minute%60 == 0 {
			anchored = a.logAnchors(ctx, anchored)
			if err := a.store.TrimLogs(ctx, time.Now().Add(-iam.MaxTokenLifetime-time.Hour)); err != nil && ctx.Err() == nil {
				a.log.WarnContext(ctx, "trimming the logs", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// logAnchors writes where those streams of the audit log end that have got lines since a time, into the log, which is kept elsewhere:
// a store that is set back to before an anchor is found out. It returns the time up to which that is done.
func (a *App) logAnchors(ctx context.Context, since time.Time) time.Time {
	now := time.Now()
	err := a.directory.AuditAnchors(ctx, since, func(at apiv1.AuditAnchor) {
		a.log.InfoContext(ctx, "audit log", "stream", at.Stream, "seq", at.Seq, "anchor", at.Anchor)
	})
	if err != nil {
		if ctx.Err() == nil {
			a.log.WarnContext(ctx, "anchoring the audit log", "error", err)
		}
		return since
	}
	return now
}

func policyOf(c *config.Config) keys.Policy {
	return keys.Policy{
		JWKSMaxAge: c.Keys.JWKSMaxAge, ClockSkew: c.Keys.ClockSkew,
		RotateEvery: c.Keys.RotateEvery, MaxTokenLifetime: iam.MaxTokenLifetime,
	}
}

func algorithms(c *config.Config) []keys.Alg {
	out := make([]keys.Alg, len(c.Keys.Algorithms))
	for i, a := range c.Keys.Algorithms {
		out[i] = keys.Alg(a)
	}
	return out
}

// guard says what may be called of what clients and connectors name.
func (a *App) guard() *outbound.Guard {
	c := a.options.Config
	return &outbound.Guard{Allow: c.Outbound.AllowPrivate, Loopback: c.Dev}
}

// limiter returns the limiter of a class of work.
func limiter(class string, c *config.Config) *web.Limiter {
	return web.NewLimiterSized(class, c.Limits.InFlight, c.Limits.Queue)
}

func newClientSecret() string { return secret.New(secret.ClientSecret).Reveal() }

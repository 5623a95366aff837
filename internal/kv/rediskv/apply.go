package rediskv

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-id/gatehouse/internal/kv"
)

//go:embed apply.lua
var applySource string

// applyHash is what EVALSHA calls the script; SHA-1 is Redis' choice and protects nothing here.
var applyHash = func() string {
	sum := sha1.Sum([]byte(applySource))
	return hex.EncodeToString(sum[:])
}()

// Apply implements kv.Store. With AckSafe it waits for as many replicas as configured; a conflict is reported without.
//
// A retry of a transaction without puts is not recognized: its events may be appended twice, and a check of a record that it
// deletes then fails with version 0, which the caller takes for done.
func (s *Store) Apply(ctx context.Context, u kv.Unit, tx kv.Tx) (kv.Result, error) {
	if err := kv.CheckTx(u, tx, s.cfg.Now()); err != nil {
		return kv.Result{}, err
	}
	for _, p := range tx.Puts {
		if p.ExpiresAt.UnixMilli() > maxExpiry {
			return kv.Result{}, fmt.Errorf("%w: expiry of %s is after the year 2286", kv.ErrInvalid, p.Key.ID)
		}
	}
	s.mu.RLock() // Close waits for it
	defer s.mu.RUnlock()
	if s.closed.Load() {
		return kv.Result{}, errClosed
	}
	t := s.transaction(u, tx)
	var res kv.Result
	err := s.call(ctx, u, func(ctx context.Context, srv *server) (err error) {
		if t.safe {
			res, err = s.applySafe(ctx, u, srv, t)
		} else {
			res, err = s.apply(ctx, t)
		}
		return err
	})
	return res, err
}

// A transaction is a kv.Tx as the script reads it.
type transaction struct {
	kv.Tx
	records []kv.Key // in the order of KEYS
	args    []any    // the whole command
	safe    bool
}

// transaction lays tx out; apply.lua says how.
func (s *Store) transaction(u kv.Unit, tx kv.Tx) *transaction {
	t := &transaction{Tx: tx, safe: tx.Ack == kv.AckSafe && s.cfg.ReplicasAck > 0}
	t.records = make([]kv.Key, 0, len(tx.Checks)+len(tx.Puts)+len(tx.Deletes))
	var colls []*kv.Coll // indexed, written
	for _, p := range tx.Puts {
		t.position(p.Key)
		colls = withIndexed(colls, p.Key.Coll)
	}
	for _, k := range tx.Deletes {
		t.position(k)
		colls = withIndexed(colls, k.Coll)
	}
	for _, c := range tx.Checks {
		t.position(c.Key)
	}
	keys := 1 + len(t.records) + 2*len(colls)
	lists := 2 + len(t.records)
	index := func(c *kv.Coll) int {
		for i, known := range colls {
			if known.Name == c.Name {
				return lists + 2*i
			}
		}
		return 0
	}

	args := make([]any, 0, 3+keys+7+2*len(tx.Checks)+5*len(tx.Puts)+3*len(tx.Deletes)+len(tx.Events))
	args = append(args, "evalsha", applyHash, keys, s.logKey(u))
	for _, k := range t.records {
		args = append(args, s.recordKey(u, k))
	}
	for _, c := range colls {
		args = append(args, s.indexKey(u, c), s.expiryKey(u, c))
	}
	args = append(args, tx.ID, t.safe, lists, len(tx.Checks), len(tx.Puts), len(tx.Deletes), len(tx.Events))
	for _, c := range tx.Checks {
		args = append(args, t.position(c.Key), uint64(c.Version))
	}
	for _, p := range tx.Puts {
		args = append(args, t.position(p.Key), index(p.Key.Coll), p.Key.ID, expiryArg(p.ExpiresAt), p.Value)
	}
	for _, k := range tx.Deletes {
		args = append(args, t.position(k), index(k.Coll), k.ID)
	}
	for _, e := range tx.Events {
		args = append(args, e)
	}
	t.args = args
	return t
}

// position returns the place of a record in KEYS, behind the log, and gives it one if it has none. A transaction is short
// enough to look it up one by one.
func (t *transaction) position(k kv.Key) int {
	for i, known := range t.records {
		if known.ID == k.ID && known.Coll.Name == k.Coll.Name {
			return i + 2
		}
	}
	t.records = append(t.records, k)
	return len(t.records) + 1
}

func withIndexed(colls []*kv.Coll, c *kv.Coll) []*kv.Coll {
	if !c.Indexed {
		return colls
	}
	for _, known := range colls {
		if known.Name == c.Name {
			return colls
		}
	}
	return append(colls, c)
}

func expiryArg(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMilli()
}

// sendSource makes the next attempt bring the script along, for a server that does not know it: a fresh one, or one that took
// over.
func (t *transaction) sendSource() { t.args[0], t.args[1] = "eval", applySource }

func (s *Store) apply(ctx context.Context, t *transaction) (kv.Result, error) {
	cmd := redis.NewCmd(ctx, t.args...)
	err := s.client.Process(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.sendSource()
		cmd = redis.NewCmd(ctx, t.args...)
		err = s.client.Process(ctx, cmd)
	}
	if err != nil {
		return kv.Result{}, err
	}
	return t.result(cmd)
}

// applySafe sends the script and WAIT on one connection, since WAIT speaks of the writes of its own connection. In such a
// pipeline the redirections of a cluster are ours to follow.
func (s *Store) applySafe(ctx context.Context, u kv.Unit, srv *server, t *transaction) (kv.Result, error) {
	waiting := srv.safe
	select {
	case waiting <- struct{}{}:
		defer func() { <-waiting }()
	case <-time.After(s.cfg.ioTimeout()): // what is left of the call is enough for one attempt
		return kv.Result{}, errBusy
	case <-ctx.Done():
		return kv.Result{}, errBusy
	}
	asking := false
	for attempt := 0; ; attempt++ {
		pipe := srv.Pipeline()
		if asking {
			pipe.Do(ctx, "asking")
		}
		reply := redis.NewCmd(ctx, t.args...)
		_ = pipe.Process(ctx, reply)
		acked := redis.NewIntCmd(ctx, "wait", s.cfg.ReplicasAck, s.cfg.AckTimeout.Milliseconds())
		_ = pipe.Process(ctx, acked)
		_, _ = pipe.Exec(ctx) // each command has its own error
		err := reply.Err()
		if err == nil {
			return t.confirmed(reply, acked, s.cfg.ReplicasAck)
		}
		if attempt == maxRedirects {
			return kv.Result{}, err
		}
		if srv, asking, err = s.redirected(ctx, u, srv, t, attempt, err); err != nil {
			return kv.Result{}, err
		}
	}
}

// redirected returns where the next attempt goes after err, or err when there shall be none.
func (s *Store) redirected(ctx context.Context, u kv.Unit, srv *server, t *transaction, attempt int, err error) (next *server, asking bool, _ error) {
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.sendSource()
		return srv, false, nil
	}
	if _, ok := s.client.(*redis.ClusterClient); !ok {
		return nil, false, err // the client has tried again itself
	}
	addr, ask := redis.IsAskError(err)
	if !ask {
		addr, _ = redis.IsMovedError(err)
	}
	if addr == "" {
		if isRefusal(err) {
			return nil, false, err
		}
		select {
		case <-time.After(min(minBackoff<<attempt, maxBackoff)):
		case <-ctx.Done():
			return nil, false, err
		}
		next, errServer := s.server(ctx, u)
		if errServer != nil {
			return nil, false, err
		}
		return next, false, nil
	}
	nodes, errNodes := s.all(ctx) // this also learns who has what
	if errNodes != nil {
		return nil, false, err
	}
	for _, node := range nodes {
		if node.Options().Addr == addr {
			return node, ask, nil
		}
	}
	return nil, false, err
}

// isRefusal reports whether another attempt would be answered the same: the server replied, and not with a state of the moment.
func isRefusal(err error) bool {
	return isAnswer(err) && !redis.IsTryAgainError(err) && !redis.IsClusterDownError(err) && !redis.IsLoadingError(err) &&
		!redis.IsMasterDownError(err) && !redis.IsReadOnlyError(err)
}

func (t *transaction) confirmed(reply *redis.Cmd, acked *redis.IntCmd, want int) (kv.Result, error) {
	res, err := t.result(reply)
	if err != nil {
		return kv.Result{}, err
	}
	n, err := acked.Result()
	if err != nil {
		return kv.Result{}, err
	}
	if n < int64(want) {
		return kv.Result{}, fmt.Errorf("%w: %d of %d", kv.ErrUnconfirmed, n, want)
	}
	return res, nil
}

// result reads the script's reply.
func (t *transaction) result(cmd *redis.Cmd) (kv.Result, error) {
	reply, err := cmd.Slice()
	if err != nil {
		return kv.Result{}, err
	}
	if len(reply) == 3 {
		n, _ := reply[1].(int64)
		switch reply[0] {
		case "applied", "replayed":
			res := kv.Result{Version: kv.Version(n), Replayed: reply[0] == "replayed"}
			if id, _ := reply[2].(string); id != "" {
				res.Cursor = cursor(id, t.ID)
			}
			return res, nil
		case "conflict":
			current, _ := reply[2].(int64)
			return kv.Result{}, &kv.ConflictError{Check: int(n), Current: kv.Version(current)}
		case "corrupt":
			if i := int(n) - 2; i >= 0 && i < len(t.records) {
				return kv.Result{}, fmt.Errorf("%w: a record of %s has no header of layout 1", kv.ErrCorrupt, t.records[i].Coll.Name)
			}
		}
	}
	return kv.Result{}, fmt.Errorf("unexpected reply of the script: %d elements", len(reply))
}

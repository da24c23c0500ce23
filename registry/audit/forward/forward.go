// Package forward gives the audit log to receivers outside, as syslog and as posts of JSON.
//
// What waits for a receiver is the log itself: each has a row that says how far it has
// come, which moves when it has taken a line. So a receiver that is away misses nothing
// that the log still holds, nothing waits in memory, and a server that is killed sends its
// last lines again. Lines that the log forgets before a receiver has them are counted as
// lost ([audit.Forget]). Of several servers one sends to a receiver, under a lease.
package forward

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cove/registry/audit"
	"cove/registry/db"
	"cove/registry/metadata"
	"cove/registry/outbound"
)

const (
	perSend = 200
	lease   = time.Minute
	every   = time.Second
	// slowest is how long a receiver that does not answer is left alone at most.
	slowest = 5 * time.Minute
	// settle is how old a line is before it is sent: in a database with several writers
	// one that began earlier may be seen later.
	settle = 10 * time.Second
	// remembered is how long the row of a receiver stays that no server sends to.
	remembered = 30 * 24 * time.Hour
)

// Config is what forwarding needs.
type Config struct {
	DB        *metadata.DB
	Receivers []Receiver // checked
	Host      string     // what this registry is called in messages
	Outbound  outbound.Policy
	Log       *slog.Logger
	// Settle is how old a line is before it is sent; 0 is ten seconds, and -1 none.
	Settle time.Duration
}

// Forwarder sends.
type Forwarder struct {
	cfg    Config
	holder string // of leases
	lines  []*line
}

// line is one receiver.
type line struct {
	name     string
	to       sender
	failures int
	rests    time.Time // until when nothing is tried
}

// New opens the receivers; files that cannot be read are errdefs.ErrInvalid.
func New(cfg Config) (*Forwarder, error) {
	if cfg.Settle == 0 {
		cfg.Settle = settle
	}
	f := &Forwarder{cfg: cfg, holder: rand.Text()}
	for _, r := range cfg.Receivers {
		to, err := r.open(cfg.Host, cfg.Outbound)
		if err != nil {
			return nil, err
		}
		f.lines = append(f.lines, &line{name: r.URL, to: to})
	}
	return f, nil
}

// Run sends until ctx ends.
func (f *Forwarder) Run(ctx context.Context) {
	if err := f.forget(ctx); err != nil && ctx.Err() == nil {
		f.cfg.Log.Warn("receivers of the audit log that are no more stay in the list", "error", err)
	}
	var all sync.WaitGroup
	for _, l := range f.lines {
		all.Go(func() { f.keep(ctx, l) })
	}
	all.Wait()
}

// forget removes receivers that nobody has sent to for long, so that nothing is counted as
// lost for them.
func (f *Forwarder) forget(ctx context.Context) error {
	old, err := db.All(ctx, f.cfg.DB.Querier(), db.ScanString, "SELECT receiver FROM audit_forwards WHERE until < $1",
		db.Micros(f.cfg.DB.Now().Add(-remembered)))
	for _, name := range old {
		if err == nil && !slices.ContainsFunc(f.lines, func(l *line) bool { return l.name == name }) {
			err = f.update(ctx, "DELETE FROM audit_forwards WHERE receiver = $1", name)
		}
	}
	return err
}

func (f *Forwarder) keep(ctx context.Context, l *line) {
	defer l.to.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if time.Now().After(l.rests) {
			f.try(ctx, l)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// try sends what there is. A receiver that fails is left alone, for longer each time.
func (f *Forwarder) try(ctx context.Context, l *line) {
	for ctx.Err() == nil {
		n, err := f.send(ctx, l)
		if err != nil && ctx.Err() == nil {
			l.failures++
			rest := min(every<<min(l.failures, 16), slowest)
			l.rests = time.Now().Add(rest)
			f.cfg.Log.Warn("the audit log is not forwarded; its lines wait", "receiver", l.name, "error", err,
				"again", rest)
			_ = f.update(ctx, "UPDATE audit_forwards SET failed_at = $2, error = $3 WHERE receiver = $1",
				l.name, db.Micros(f.cfg.DB.Now()), cut(plain(err.Error()), 512)) // the log above has it
		}
		if err != nil || n == 0 {
			return
		}
		if l.failures > 0 {
			l.failures = 0
			f.cfg.Log.Info("the audit log is forwarded again", "receiver", l.name)
		}
		if n < perSend {
			return
		}
	}
}

// send sends the next lines, and says how many.
func (f *Forwarder) send(ctx context.Context, l *line) (int, error) {
	sent, ours, err := f.claim(ctx, l.name)
	if err != nil || !ours {
		return 0, err
	}
	var until int64
	if f.cfg.Settle > 0 {
		until = db.IDAt(f.cfg.DB.Now().Add(-f.cfg.Settle))
	}
	lines, err := audit.After(ctx, f.cfg.DB.Querier(), audit.Part{After: sent, Until: until, N: perSend})
	if err != nil || len(lines) == 0 {
		return 0, err
	}
	if err := l.to.send(ctx, lines); err != nil {
		return 0, err
	}
	return len(lines), f.update(ctx, `UPDATE audit_forwards SET sent = $2, failed_at = 0, error = ''
		WHERE receiver = $1 AND holder = $3`, l.name, lines[len(lines)-1].ID, f.holder)
}

func (f *Forwarder) update(ctx context.Context, stmt string, args ...any) error {
	return f.cfg.DB.MakeRoom(context.WithoutCancel(ctx), func(ctx context.Context, tx *metadata.Tx) error {
		_, err := tx.Tx.Exec(ctx, stmt, args...)
		return db.Unavailable(err)
	})
}

// claim says how far a receiver is, and whether it is this server that sends to it. One
// that is new begins with what comes.
func (f *Forwarder) claim(ctx context.Context, receiver string) (sent int64, ours bool, err error) {
	read := func() (until int64, holder string, err error) {
		err = f.cfg.DB.Querier().Row(ctx, "SELECT sent, holder, until FROM audit_forwards WHERE receiver = $1",
			receiver).Scan(&sent, &holder, &until)
		return until, holder, db.NotFound(err, "nothing was sent to %s", receiver)
	}
	now := f.cfg.DB.Now()
	until, holder, err := read()
	if err == nil && holder == f.holder && until > db.Micros(now.Add(lease/2)) {
		return sent, true, nil // and no write
	}
	if err == nil && holder != f.holder && until > db.Micros(now) {
		return sent, false, nil
	}
	if err := f.update(ctx, `INSERT INTO audit_forwards (receiver, sent, holder, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (receiver) DO UPDATE SET holder = excluded.holder, until = excluded.until
		WHERE audit_forwards.until < $5 OR audit_forwards.holder = $3`,
		receiver, db.IDAt(now), f.holder, db.Micros(now.Add(lease)), db.Micros(now)); err != nil {
		return 0, false, err
	}
	_, holder, err = read()
	return sent, holder == f.holder, err
}

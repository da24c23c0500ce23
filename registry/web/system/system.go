// Package system has the page of how the registry itself does: whether its parts answer,
// what waits, and by which configuration it is served.
package system

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"

	"cove/internal/buildinfo"
	"cove/registry/auth"
	"cove/registry/garbage"
	"cove/registry/jobs"
	"cove/registry/web/page"
)

// Config is what the page needs besides the desk.
type Config struct {
	Garbage *garbage.Reader
	// Collecting has garbage collected at once.
	Collecting *garbage.Collecting
	Jobs       *jobs.Jobs
	// Root is the folder of the registry's state.
	Root *os.Root
	// Postgres says that the database is a server.
	Postgres bool
	// Settings tells the configuration in effect, as YAML without secrets.
	Settings func() (string, error)
}

// Pages are the handlers. They are safe for concurrent use.
type Pages struct {
	*page.Desk
	cfg   Config
	since time.Time
}

// New returns the pages.
func New(desk *page.Desk, cfg Config) *Pages { return &Pages{desk, cfg, time.Now()} }

// Rows are the routes of the pages.
func (p *Pages) Rows() []page.Row {
	return append(page.Live("/system", auth.ManageJobs, "jobs", p.system),
		page.Get("/gc", auth.ManageJobs, "jobs", p.collector), page.Post("/gc", auth.ManageJobs, "jobs", p.collect))
}

// slow is how long the database may take to answer before that is told as an ill, and
// stale how long work that is due may wait.
const (
	slow  = time.Second
	stale = 10 * time.Minute
)

// scarce is how much of a disk is to be free, in per cent.
const scarce = 5

type data struct {
	Version, Go, Settings  string
	Since                  time.Time
	Postgres, DatabaseSlow bool
	Answered               time.Duration `json:"-"` // another each time
	Garbage                garbage.Status
	Counted                time.Time `json:"-"` // when contents were
	Jobs                   jobs.Status
	JobsLate, GarbageLate  bool
	Disk                   disk
}

// Well says that nothing of what is looked at is ill.
func (d data) Well() bool {
	return !d.DatabaseSlow && !d.JobsLate && !d.GarbageLate && !d.Disk.Scarce && d.Garbage.Damaged == 0
}

// system looks at everything anew, the count of what is stored apart, which may be a minute
// old.
func (p *Pages) system(a *page.Ask) error {
	settings, err := p.cfg.Settings()
	if err != nil {
		return err
	}
	d := data{
		Version: buildinfo.Version(), Go: runtime.Version(), Settings: settings, Since: p.since,
		Postgres: p.cfg.Postgres,
	}
	if err := p.look(a.Context(), a.Caller, &d); err != nil {
		return err
	}
	return p.Page(a, "system", "system", a.Language.Text("system.title"), d)
}

func (p *Pages) look(ctx context.Context, by auth.Caller, d *data) (err error) {
	asked := time.Now()
	if err := p.DB.Ping(ctx); err != nil {
		return err // without it there is no page at all
	}
	d.Answered = time.Since(asked).Round(10 * time.Microsecond)
	d.DatabaseSlow = d.Answered > slow
	if d.Garbage, d.Counted, err = p.cfg.Garbage.Glance(ctx); err != nil {
		return err
	}
	if d.Jobs, err = p.cfg.Jobs.Status(ctx, by); err != nil {
		return err
	}
	late := func(at time.Time) bool { return !at.IsZero() && p.Now().Sub(at) > stale }
	d.JobsLate, d.GarbageLate = late(d.Jobs.Oldest), late(d.Garbage.Oldest)
	d.Disk, err = diskOf(p.cfg.Root)
	return err
}

// disk is the one that a folder is on.
type disk struct {
	Size, Free int64 `json:"-"` // another each moment
	Scarce     bool
}

// Used is what is not free.
func (d disk) Used() int64 { return d.Size - d.Free }

func diskOf(root *os.Root) (d disk, err error) {
	dir, err := root.Open(".")
	if err != nil {
		return d, err
	}
	defer dir.Close()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(dir.Fd()), &st); err != nil {
		return d, err
	}
	d.Size, d.Free = int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	d.Scarce = d.Free < d.Size/100*scarce
	return d, nil
}

package observe

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cove/registry/auth"
	"cove/registry/garbage"
	"cove/registry/jobs"
	"cove/registry/proxy"
	"cove/registry/quota"
)

// State is what of a registry stands, besides its requests.
type State struct {
	Garbage *garbage.Reader
	Jobs    *jobs.Jobs
	Proxies *proxy.Proxies
	Quotas  *quota.Quotas
	Log     *slog.Logger
}

// Watch shows s too. The database is asked once in a while, however often somebody
// reads the page.
func (m *Metrics) Watch(s State) { m.registry.MustRegister(&stateCollector{of: s}) }

const (
	// stateEvery is how old what is shown may be, and stateWithin how long the database
	// may take to answer.
	stateEvery  = 30 * time.Second
	stateWithin = 5 * time.Second
	// mostProjects bounds the lines that tell of one project.
	mostProjects = 500
)

type gauge struct {
	desc  *prometheus.Desc
	value func(r reading) float64
}

// reading is the state at one time.
type reading struct {
	garbage garbage.Status
	jobs    jobs.Status
	usage   []quota.Usage // of the largest projects
	at      time.Time
}

func describe(name, help string, value func(r reading) float64) gauge {
	return gauge{prometheus.NewDesc("cove_registry_"+name, help, nil, nil), value}
}

// age is how long ago something was, in seconds; 0 of what never was.
func age(now, at time.Time) float64 {
	if at.IsZero() || at.After(now) {
		return 0
	}
	return now.Sub(at).Seconds()
}

var gauges = []gauge{
	describe("stored_contents", "Blobs and manifests that are stored.",
		func(r reading) float64 { return float64(r.garbage.Stored) }),
	describe("stored_bytes", "Bytes that they take.", func(r reading) float64 { return float64(r.garbage.Bytes) }),
	describe("damaged_contents", "Contents that wait for a push to heal them.",
		func(r reading) float64 { return float64(r.garbage.Damaged) }),
	describe("gc_queued", "Reviews of the collector that wait for their time.",
		func(r reading) float64 { return float64(r.garbage.Queued) }),
	describe("gc_due", "Reviews of the collector whose time has come.",
		func(r reading) float64 { return float64(r.garbage.Due) }),
	describe("gc_oldest_due_seconds", "For how long the first of them has been due.",
		func(r reading) float64 { return age(r.at, r.garbage.Oldest) }),
	describe("uploads", "Uploads that are not finished.",
		func(r reading) float64 { return float64(r.garbage.Uploads) }),
	describe("jobs_waiting", "Jobs that wait.", func(r reading) float64 { return float64(r.jobs.Waiting) }),
	describe("jobs_running", "Jobs that run, in all servers.",
		func(r reading) float64 { return float64(r.jobs.Running) }),
	describe("jobs_oldest_due_seconds", "For how long the job that has waited longest has been due.",
		func(r reading) float64 { return age(r.at, r.jobs.Oldest) }),
}

var (
	// A project is told by its number, as "registry quota list --format json" has it.
	projectUsed = prometheus.NewDesc("cove_registry_project_used_bytes",
		"Bytes that a project uses, each digest once; of the projects that use most.", []string{"project"}, nil)
	projectLimit = prometheus.NewDesc("cove_registry_project_limit_bytes",
		"Bytes that it may use, where there is a limit.", []string{"project"}, nil)
	databaseUp = prometheus.NewDesc("cove_registry_database_up",
		"Whether the database told the state when it was last asked.", nil, nil)
	upstreams = prometheus.NewDesc("cove_registry_proxy_upstreams",
		"Registries that projects are proxies of, by whether they are asked or left alone for a while.",
		[]string{"state"}, nil)
	allowance = prometheus.NewDesc("cove_registry_proxy_ratelimit_remaining",
		"What a registry that projects are proxies of last said is left of what it allows.", []string{"upstream"}, nil)
	allowed = prometheus.NewDesc("cove_registry_proxy_ratelimit_limit",
		"How much it allows, where it said so.", []string{"upstream"}, nil)
	proxied = prometheus.NewDesc("cove_registry_proxy_answers_total",
		"Tags, manifests and blobs asked for in proxies: those that were here, those that came from the upstream, "+
			"those that were here and may be out of date, and blobs that were passed on and not kept.", []string{"result"}, nil)
)

// stateCollector is a prometheus.Collector.
type stateCollector struct {
	of State

	mu   sync.Mutex
	last reading
	up   bool
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges {
		ch <- g.desc
	}
	ch <- projectUsed
	ch <- projectLimit
	ch <- databaseUp
	ch <- upstreams
	ch <- allowance
	ch <- allowed
	ch <- proxied
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	r, up := c.read()
	number := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	ch <- prometheus.MustNewConstMetric(databaseUp, prometheus.GaugeValue, number(up))
	if up {
		for _, g := range gauges {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(r))
		}
		projects(ch, r.usage)
	}
	p := c.of.Proxies.Status()
	ch <- prometheus.MustNewConstMetric(upstreams, prometheus.GaugeValue, float64(p.Asked), "asked")
	ch <- prometheus.MustNewConstMetric(upstreams, prometheus.GaugeValue, float64(p.Resting), "resting")
	for host, a := range p.Allowances {
		ch <- prometheus.MustNewConstMetric(allowance, prometheus.GaugeValue, float64(a.Remaining), host)
		if a.Limit > 0 {
			ch <- prometheus.MustNewConstMetric(allowed, prometheus.GaugeValue, float64(a.Limit), host)
		}
	}
	ch <- prometheus.MustNewConstMetric(proxied, prometheus.CounterValue, float64(p.Hits), "hit")
	ch <- prometheus.MustNewConstMetric(proxied, prometheus.CounterValue, float64(p.Misses), "miss")
	ch <- prometheus.MustNewConstMetric(proxied, prometheus.CounterValue, float64(p.Stale), "stale")
	ch <- prometheus.MustNewConstMetric(proxied, prometheus.CounterValue, float64(p.Passed), "passed")
}

// projects tells what each of them uses.
func projects(ch chan<- prometheus.Metric, all []quota.Usage) {
	for _, u := range all {
		id := strconv.FormatInt(u.ID, 10)
		ch <- prometheus.MustNewConstMetric(projectUsed, prometheus.GaugeValue, float64(u.Used), id)
		if u.Limit != quota.Unlimited {
			ch <- prometheus.MustNewConstMetric(projectLimit, prometheus.GaugeValue, float64(u.Limit), id)
		}
	}
}

func (c *stateCollector) read() (reading, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.last.at) < stateEvery {
		return c.last, c.up
	}
	ctx, cancel := context.WithTimeout(context.Background(), stateWithin)
	defer cancel()
	r := reading{at: now}
	var err error
	if r.garbage, _, err = c.of.Garbage.Glance(ctx); err == nil {
		r.jobs, err = c.of.Jobs.Status(ctx, auth.Operator())
	}
	if err == nil {
		r.usage, err = c.of.Quotas.Largest(ctx, auth.Operator(), mostProjects)
	}
	if err != nil {
		c.of.Log.WarnContext(ctx, "the state for the metrics cannot be read", "error", err)
	}
	c.last, c.up = r, err == nil
	return c.last, c.up
}

package metadatatest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// told is what a server wrote, which another goroutine may still write.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *told) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Explains has the server tell of each statement in the database of dsn by which plan it
// was answered, and what that read: as it was asked, with its values, also those that
// triggers ask. It holds for connections that are made from then on, and so do other settings
// of theirs.
func (s *Server) Explains(t testing.TB, dsn string, settings ...[2]string) {
	t.Helper()
	if s.log == nil {
		t.Skipf("needs a PostgreSQL of its own, whose log it reads: unset %s", PostgresEnv)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range append([][2]string{
		{"session_preload_libraries", "auto_explain"},
		{"auto_explain.log_min_duration", "0"},
		{"auto_explain.log_analyze", "on"},
		{"auto_explain.log_timing", "off"},
		{"auto_explain.log_buffers", "on"},
		{"auto_explain.log_format", "json"},
		{"auto_explain.log_nested_statements", "on"},
	}, settings...) {
		name := strings.TrimPrefix(u.Path, "/")
		if err := s.exec(fmt.Sprintf("ALTER DATABASE %s SET %s = '%s'", name, set[0], set[1])); err != nil {
			t.Fatal(err)
		}
	}
}

// Mark is how much the server has told so far.
func (s *Server) Mark() int { return len(s.log.String()) }

// Answered is a statement and what the server did for it.
type Answered struct {
	Statement string
	Scans     []string // tables that were read from one end to the other
	Most      int64    // rows that one step read, whether it kept them or not
	Pages     int64    // of 8 KiB that were looked at, those of indexes too
	Plan      string   // by which it read the most pages, a line for a step
}

// Since are the statements that were answered since a mark: each once, at its worst.
func (s *Server) Since(t testing.TB, mark int) []Answered {
	t.Helper()
	worst := map[string]Answered{}
	plans := plansIn(s.log.String()[mark:])
	torn := 0
	for _, text := range plans {
		var told struct {
			Query string `json:"Query Text"`
			Plan  step
		}
		if err := json.Unmarshal([]byte(text), &told); err != nil {
			// Many processes write at once: what does not fit into the pipe any more may have
			// a line of another in it.
			if torn++; torn > 1+len(plans)/100 {
				t.Fatalf("%d plans of %d cannot be read: %v: %s", torn, len(plans), err, text)
			}
			continue
		}
		got := Answered{Statement: told.Query, Pages: told.Plan.Hit + told.Plan.Read}
		told.Plan.sum(&got, "\n  ")
		if old, ok := worst[told.Query]; ok {
			got.Scans = append(got.Scans, old.Scans...)
			if old.Pages > got.Pages {
				got.Plan = old.Plan
			}
			got.Most, got.Pages = max(got.Most, old.Most), max(got.Pages, old.Pages)
		}
		slices.Sort(got.Scans)
		got.Scans = slices.Compact(got.Scans)
		worst[told.Query] = got
	}
	all := make([]Answered, 0, len(worst))
	for _, a := range worst {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Answered) int { return strings.Compare(a.Statement, b.Statement) })
	return all
}

// plansIn are the plans in a log: what is indented behind a line that announces one.
func plansIn(log string) (plans []string) {
	var plan strings.Builder
	within := false
	end := func() {
		if within = false; plan.Len() > 0 {
			plans = append(plans, plan.String())
			plan.Reset()
		}
	}
	for line := range strings.Lines(log) {
		switch {
		case strings.HasSuffix(line, "  plan:\n"):
			end()
			within = true
		case within && strings.HasPrefix(line, "\t"):
			plan.WriteString(line[1:])
		default:
			end()
		}
	}
	end()
	return plans
}

// step is a part of a plan that was carried out.
type step struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Filtered float64 `json:"Rows Removed by Filter"`
	Rechecks float64 `json:"Rows Removed by Index Recheck"`
	Joined   float64 `json:"Rows Removed by Join Filter"`
	Hit      int64   `json:"Shared Hit Blocks"`
	Read     int64   `json:"Shared Read Blocks"`
	Plans    []step  `json:"Plans"`
}

func (p step) sum(a *Answered, indent string) {
	if p.Type == "Seq Scan" && p.Loops > 0 {
		a.Scans = append(a.Scans, p.Relation)
	}
	a.Plan += fmt.Sprintf("%s%s %s %s: %.0f rows, %.0f left out, %.0f times, %d pages",
		indent, p.Type, p.Relation, p.Index, p.Rows, p.Filtered, p.Loops, p.Hit+p.Read)
	a.Most = max(a.Most, int64((p.Rows+p.Filtered+p.Rechecks+p.Joined)*p.Loops))
	for _, below := range p.Plans {
		below.sum(a, indent+"  ")
	}
}

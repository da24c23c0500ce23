// Package stats answers docker's API about what containers use.
package stats

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine"
	"cove/engine/api/route"
	"cove/engine/api/wire"
	"cove/engine/stats"
	"cove/errdefs"
)

// API measures the containers of an engine.
type API struct{ engine *engine.Engine }

// Of measures the containers of an engine.
func Of(e *engine.Engine) *API { return &API{e} }

// used is docker's measurement of a container.
type used struct {
	Name     string             `json:"name"`
	ID       string             `json:"id"`
	Read     time.Time          `json:"read"`
	PreRead  time.Time          `json:"preread"`
	Pids     pids               `json:"pids_stats"`
	BlockIO  blockIO            `json:"blkio_stats"`
	NumProcs int                `json:"num_procs"`
	Storage  struct{}           `json:"storage_stats"`
	CPU      processors         `json:"cpu_stats"`
	PreCPU   processors         `json:"precpu_stats"`
	Memory   memory             `json:"memory_stats"`
	Networks map[string]traffic `json:"networks,omitempty"`
}

type pids struct {
	Current uint64 `json:"current,omitempty"`
	Limit   uint64 `json:"limit,omitempty"`
}

type blockIO struct {
	Bytes []blockCount `json:"io_service_bytes_recursive"`
	Ops   []blockCount `json:"io_serviced_recursive"`
}

type blockCount struct {
	Major uint64 `json:"major"`
	Minor uint64 `json:"minor"`
	Op    string `json:"op"`
	Value uint64 `json:"value"`
}

type processors struct {
	Usage struct {
		Total  int64    `json:"total_usage"`
		PerCPU []uint64 `json:"percpu_usage,omitempty"`
		Kernel uint64   `json:"usage_in_kernelmode"`
		User   uint64   `json:"usage_in_usermode"`
	} `json:"cpu_usage"`
	System    int64 `json:"system_cpu_usage,omitempty"`
	Online    int   `json:"online_cpus,omitempty"`
	Throttled struct {
		Periods   uint64 `json:"periods"`
		Throttled uint64 `json:"throttled_periods"`
		Time      uint64 `json:"throttled_time"`
	} `json:"throttling_data"`
}

type memory struct {
	Usage    uint64            `json:"usage,omitempty"`
	MaxUsage uint64            `json:"max_usage,omitempty"`
	Failures uint64            `json:"failcnt,omitempty"`
	Limit    uint64            `json:"limit,omitempty"`
	Stats    map[string]uint64 `json:"stats,omitempty"`
}

type traffic struct {
	ReceivedBytes   uint64 `json:"rx_bytes"`
	ReceivedPackets uint64 `json:"rx_packets"`
	ReceivedErrors  uint64 `json:"rx_errors"`
	ReceivedDropped uint64 `json:"rx_dropped"`
	SentBytes       uint64 `json:"tx_bytes"`
	SentPackets     uint64 `json:"tx_packets"`
	SentErrors      uint64 `json:"tx_errors"`
	SentDropped     uint64 `json:"tx_dropped"`
}

// Stream tells what a container uses, each second or once.
func (a *API) Stream(w http.ResponseWriter, r *route.Request) error {
	q := r.URL.Query()
	stream := wire.BoolOr(q, "stream", true)
	if wire.Bool(q, "stream") && wire.Bool(q, "one-shot") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot have stream=true and one-shot=true")
	}
	told, err := a.engine.InspectContainer(r.Context(), r.Param("id"))
	if err != nil {
		return err
	}
	before, err := a.measure(r.Context(), told.ID)
	if err != nil {
		return err
	}
	if wire.Bool(q, "one-shot") {
		return wire.JSON(w, http.StatusOK, before)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(time.Second):
		}
		now, err := a.measure(r.Context(), told.ID)
		if err != nil {
			return nil //nolint:nilerr // it was removed: that is the end of what is told of it
		}
		now.PreCPU, now.PreRead = before.CPU, before.Read
		if err := wire.Encode(w, now); err != nil || !stream {
			return err
		}
		if err := control.Flush(); err != nil {
			return nil //nolint:nilerr // the client is gone
		}
		before = now
	}
}

func (a *API) measure(ctx context.Context, id string) (u used, err error) {
	all, err := a.engine.Stats(ctx, []string{id}, true)
	if err != nil {
		return u, err
	}
	return usedOf(all[0]), nil
}

func usedOf(s stats.Sample) used {
	// The client subtracts the cache that can go, which it finds among the counters.
	group := s.Group
	u := used{
		Name: "/" + s.Name, ID: s.ID, Read: s.At, Pids: pids{group.Pids.Current, group.Pids.Limit},
		Memory: memory{group.Memory.Usage, group.Memory.Max, group.Memory.Failures, s.Limit, group.Memory.Raw},
	}
	for _, d := range group.IO {
		u.BlockIO.Bytes = append(u.BlockIO.Bytes,
			blockCount{d.Major, d.Minor, "read", d.ReadBytes}, blockCount{d.Major, d.Minor, "write", d.WriteBytes})
		u.BlockIO.Ops = append(u.BlockIO.Ops,
			blockCount{d.Major, d.Minor, "read", d.ReadOps}, blockCount{d.Major, d.Minor, "write", d.WriteOps})
	}
	if s.Pids > 0 {
		u.CPU.Online = runtime.NumCPU()
		u.CPU.System = sinceBoot().Nanoseconds() * int64(u.CPU.Online)
	}
	for _, i := range s.Interfaces {
		if u.Networks == nil {
			u.Networks = map[string]traffic{}
		}
		in, out := i.Received, i.Sent
		u.Networks[i.Name] = traffic{
			in.Bytes, in.Packets, in.Errors, in.Dropped, out.Bytes, out.Packets, out.Errors, out.Dropped,
		}
	}
	c := group.CPU
	u.CPU.Usage.Total, u.CPU.Usage.PerCPU = s.CPU.Nanoseconds(), c.PerCPU
	u.CPU.Usage.Kernel, u.CPU.Usage.User = c.System, c.User
	u.CPU.Throttled.Periods, u.CPU.Throttled.Throttled, u.CPU.Throttled.Time = c.Periods, c.Throttled, c.ThrottledTime
	return u
}

// sinceBoot is the time that every processor could have worked: of it and of what the
// container used a client makes a percentage.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

package life

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/runner/attach"
	"cove/runner/record"
)

// Wait waits until the container is not running; one that never ran answers at
// once. A container that is removed meanwhile answers with the code it ended with.
// A monitor that does not answer is errdefs.ErrUnavailable.
func (c *Container) Wait(ctx context.Context) (record.ExitStatus, error) {
	st, err := c.State(ctx)
	if err != nil || !st.Alive() {
		return st.Exit(), err
	}
	conn, err := c.call(ctx, st.Monitor, attach.Hello{Kind: attach.Wait})
	if errors.Is(err, errdefs.ErrNotFound) {
		return c.ended(ctx) // it ended after State was read
	}
	if err != nil {
		return record.ExitStatus{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	p, err := c.await(ctx, conn, st.Monitor, forever)
	if ctx.Err() != nil || errors.Is(err, errdefs.ErrUnavailable) {
		return record.ExitStatus{}, err
	}
	if err != nil || p.Type != attach.TypeExit {
		return c.ended(ctx)
	}
	var status record.ExitStatus
	if err := leanjson.Unmarshal(p.Data, &status); err != nil {
		return status, fmt.Errorf("container %s: monitor answered %q: %w", c, p.Data, err)
	}
	return status, nil
}

// WaitForGood waits until the container neither runs nor is about to be started
// again by its policy.
func (c *Container) WaitForGood(ctx context.Context) error {
	for {
		if _, err := c.Wait(ctx); err != nil {
			return err
		}
		st, err := c.State(ctx)
		if err != nil || !st.Alive() && st.Status != record.Restarting {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartPoll):
		}
	}
}

// restartPoll is how often a container that is about to be started again is looked
// at: its wait is at least as long.
const restartPoll = 100 * time.Millisecond

// ended reads the end of a container that ran and whose monitor is not there
// any more. It may be about to write it: its lock tells when it has.
func (c *Container) ended(ctx context.Context) (record.ExitStatus, error) {
	lock, err := c.dir.Lock(ctx, record.MonitorLock, answerTimeout)
	if err == nil {
		record.Unlock(lock)
		var st record.State
		if st, err = c.State(ctx); err == nil {
			return st.Exit(), nil
		}
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		return record.State{}.Lost(time.Time{}).Exit(), nil // it was removed when it ended, and its exit code with it
	}
	return record.ExitStatus{}, err
}

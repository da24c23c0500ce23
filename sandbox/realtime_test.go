package sandbox

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"cove/layers/mount"
)

// TestLeaveRealtime has a thread that is scheduled in real time be as others are.
func TestLeaveRealtime(t *testing.T) {
	t.Parallel()
	mount.OnOwnThread(func() {
		attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
		if err := unix.SchedSetAttr(0, &attr, 0); errors.Is(err, unix.EPERM) {
			t.Log("not tried: it needs root, and a real-time budget")
		} else if err != nil {
			t.Error(err)
			return
		}
		leaveRealtime()
		now, err := unix.SchedGetAttr(0, 0)
		if err != nil || now.Policy != unix.SCHED_NORMAL {
			t.Errorf("the policy is %+v, %v", now, err)
		}
	})
}

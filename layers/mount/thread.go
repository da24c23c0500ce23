package mount

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnOwnThread runs fn on a thread that ends with it: for what changes its
// thread's namespaces. It is never the main thread, which ends with the process
// alone, would hold the namespaces till then, and shows them to all who look at
// /proc/self.
func OnOwnThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn() // never unlocked: the thread ends with the goroutine
			return
		}
		defer runtime.UnlockOSThread()
		OnOwnThread(fn) // on another, as this one is taken
	}()
	<-done
}

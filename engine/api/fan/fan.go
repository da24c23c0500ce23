// Package fan passes what a container prints on to all that look at it, each at the pace
// at which it reads.
package fan

import (
	"errors"
	"io"
	"sync"
	"time"
)

// ErrEmpty is what a write ends in when nobody is left to see it.
var ErrEmpty = errors.New("all who looked are gone")

// most is how many bytes wait for one member, as in dockerd.
const most = 1 << 20

// Fan has members, who are added before anything is written.
type Fan struct {
	patience time.Duration
	mu       sync.Mutex
	members  []*Member
	empty    chan struct{}
}

// New makes a fan without members. patience is how long the others wait for one that
// reads nothing and has a full buffer: then it is cut. One that is alone is waited for,
// as the end of a pipe: nobody else is kept waiting by it but the container.
func New(patience time.Duration) *Fan {
	return &Fan{patience: patience, empty: make(chan struct{})}
}

// Member is one that looks.
type Member struct {
	fan            *Fan
	stdout, stderr io.Writer
	cut            func()

	mu      sync.Mutex
	queue   []piece
	waiting int  // bytes in the queue
	closed  bool // nothing is added any more
	more    chan struct{}
	room    chan struct{}
	gone    chan struct{}
	once    sync.Once
}

// piece is what was written at once.
type piece struct {
	to   io.Writer
	data []byte
}

// Add adds a member, whose writers may be nil for what it does not want to see. cut is
// called if it does not read: it ends a write that waits for it.
func (f *Fan) Add(stdout, stderr io.Writer, cut func()) *Member {
	m := &Member{
		fan: f, stdout: stdout, stderr: stderr, cut: cut,
		more: make(chan struct{}, 1), room: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	f.mu.Lock()
	f.members = append(f.members, m)
	f.mu.Unlock()
	go m.write()
	return m
}

// Stdout and Stderr are where a container prints to. Writes end in ErrEmpty when there
// are no members any more.
func (f *Fan) Stdout() io.Writer { return of{f, func(m *Member) io.Writer { return m.stdout }} }

// Stderr is described at Stdout.
func (f *Fan) Stderr() io.Writer { return of{f, func(m *Member) io.Writer { return m.stderr }} }

// Empty is closed when the last member has gone.
func (f *Fan) Empty() <-chan struct{} { return f.empty }

// Finish is called when all is written. Each member is done when it has all of it.
func (f *Fan) Finish() {
	for _, m := range f.present() {
		m.mu.Lock()
		m.closed = true
		m.mu.Unlock()
		wake(m.more)
	}
}

// Gone is closed when a member has all, or left, or was cut.
func (m *Member) Gone() <-chan struct{} { return m.gone }

// Leave takes a member out.
func (m *Member) Leave() {
	m.once.Do(func() {
		close(m.gone)
		f := m.fan
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, other := range f.members {
			if other == m {
				f.members = append(f.members[:i:i], f.members[i+1:]...)
				break
			}
		}
		if len(f.members) == 0 {
			close(f.empty)
		}
	})
}

func (f *Fan) present() []*Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[:len(f.members):len(f.members)]
}

func (f *Fan) alone() bool { return len(f.present()) == 1 }

type of struct {
	f  *Fan
	to func(*Member) io.Writer
}

func (o of) Write(p []byte) (int, error) {
	all := o.f.present()
	data := append([]byte(nil), p...) // the same for all of them
	for _, m := range all {
		if to := o.to(m); to != nil {
			m.put(piece{to, data})
		}
	}
	if len(o.f.present()) == 0 {
		return 0, ErrEmpty
	}
	return len(p), nil
}

// put adds to what a member is to be sent, and waits while that is too much.
func (m *Member) put(p piece) {
	timer := time.NewTimer(m.fan.patience)
	defer timer.Stop()
	for !m.add(p) {
		select {
		case <-m.gone:
			return
		case <-m.room:
			timer.Reset(m.fan.patience)
		case <-timer.C:
			if !m.fan.alone() {
				m.cut()
				m.Leave()
				return
			}
			timer.Reset(m.fan.patience)
		}
	}
}

func (m *Member) add(p piece) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting > 0 && m.waiting+len(p.data) > most {
		return false
	}
	m.queue = append(m.queue, p)
	m.waiting += len(p.data)
	wake(m.more)
	return true
}

// take takes all that waits. What was taken counts until it is written.
func (m *Member) take() (all []piece, closed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, m.queue = m.queue, nil
	return all, m.closed
}

// write writes what waits, until the end or until the member cannot be written to.
func (m *Member) write() {
	defer m.Leave()
	for {
		all, closed := m.take()
		for _, p := range all {
			if _, err := p.to.Write(p.data); err != nil {
				return
			}
			m.mu.Lock()
			m.waiting -= len(p.data)
			m.mu.Unlock()
			wake(m.room)
		}
		if len(all) > 0 {
			continue
		}
		if closed {
			return
		}
		select {
		case <-m.more:
		case <-m.gone:
			return
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

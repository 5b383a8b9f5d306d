//go:build linux

package front

// Hold keeps a loop from doing anything until release is called.
func (f *Front) Hold(loop int) (release func()) {
	held, free := make(chan struct{}), make(chan struct{})
	f.lanes[loop].loop.Post(func() {
		close(held)
		<-free
	})
	<-held
	return func() { close(free) }
}

// Open is how many connections there are.
func (f *Front) Open() int64 { return f.crowd.open.Load() }

// Full reports that a loop does not accept for want of room.
func (f *Front) Full() bool { return f.crowd.full() }

// SpareNotes is how many notes of a loop's access log wait for another request.
func (f *Front) SpareNotes(loop int) int {
	l, told := f.lanes[loop], make(chan int)
	l.loop.Post(func() { told <- len(l.logbook.spare) })
	return <-told
}

// HoldHelpers keeps files from being sent, as a disk does that hangs, until release is called.
func (f *Front) HoldHelpers(loop int) (release func()) {
	l, held := f.lanes[loop], make(chan struct{})
	l.loop.Post(func() {
		l.helpers.busy = maxHelpers
		close(held)
	})
	<-held
	return func() {
		l.loop.Post(func() {
			l.helpers.busy = 1
			l.helpers.next()
		})
	}
}

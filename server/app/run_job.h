// The process of one job.
#ifndef LBW_APP_RUN_JOB_H_
#define LBW_APP_RUN_JOB_H_

namespace lbw::app {

// Runs what the worker at the other end of fd assigns, returns the exit status. The process stands
// back behind the server: by `nice`, and as the first to go where memory runs out.
int RunJobProcess(int fd, int nice);

}  // namespace lbw::app

#endif  // LBW_APP_RUN_JOB_H_

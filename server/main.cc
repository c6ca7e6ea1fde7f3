#include "app/command_line.h"

int main(int argc, char** argv) { return lbw::app::RunCommandLine(argc, argv); }

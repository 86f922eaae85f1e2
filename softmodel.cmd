@echo off
rem Starts softmodel; builds it first where it has not been built, or where its sources have changed since.
setlocal
set "root=%~dp0"
set "app=%root%out\softmodel"
if not exist "%app%\built" goto build
powershell -NoProfile -Command "$t = (Get-Item '%app%\built').LastWriteTimeUtc; $r = '%root%'; $f = @(Get-ChildItem \"$r\Directory.*.props\", \"$r\global.json\"; Get-ChildItem \"$r\src\" -Recurse -File | Where-Object FullName -notmatch '\\(bin|obj)\\'); if ($f | Where-Object LastWriteTimeUtc -gt $t | Select-Object -First 1) { exit 1 }"
if errorlevel 1 goto build
:run
dotnet "%app%\Softmodel.Cli.dll" %*
exit /b %errorlevel%
:build
where dotnet >nul 2>nul || (echo softmodel: the .NET 10 SDK is not installed: see https://dot.net/download 1>&2 & exit /b 1)
echo softmodel: building (this happens once, and after changes) 1>&2
dotnet publish "%root%src\Softmodel.Cli" -c Release -o "%app%" --artifacts-path "%root%out\build" --ucr --no-self-contained -p:PublishReadyToRun=true -v q -nologo 1>&2 || exit /b 1
type nul > "%app%\built"
goto run

#!/bin/sh
# The web server calls this for each request: the body goes through the handler.
printf 'Content-Type: text/plain\r\n\r\n'
head -c "${CONTENT_LENGTH:-0}" | sh /home/app/function/handler.sh

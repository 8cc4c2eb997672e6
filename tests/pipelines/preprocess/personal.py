"""Sentences with and without personal data, labelled by hand: « and » stand around what must not reach the lake."""

ENGLISH = (
    "Write to me at «anna.smith+shop@example.co.uk» please.",
    "here: «JOHN_DOE@post.example.com», thanks",
    "Call «+44 20 7946 0958» after six.",
    "Phone «(555) 010-4477» or «555-010-4478».",
    "I rang «020 7946 0111» twice.",
    "reach me under «+1 (555) 010 9988»",
    "from Germany it is «0049 30 901820»",
    "They took my card «4111 1111 1111 1111» and never refunded.",
    "card no «5500000000000004» was charged twice",
    "amex «3400-000000-00009» please",
    "Send it to «12 Baker Street», not to the old place.",
    "I live at «221b Baker St», third floor.",
    "Deliver to «1600 Old Mill Road» instead",
    "Moved to «7 Willow Lane, Leeds LS1 4DT», by the way",
    "It is «31 Mill Road, Salt Lake City, UT 84101-0001».",
    "hurry, «jo＠example.org»!",
)
CHINESE = (
    "请联系我的邮箱«wang.li@example.cn»，谢谢",
    "电话«13800138000»，随时打",
    "我的手机号是«138 0013 8000»。",
    "座机«010-62345678»没人接",
    "微信同号«18612345678»",
    "寄到«上海市浦东新区张江路100号5栋301室»，不要寄错",
    "地址：«朝阳区建国路88号»，上次送错了",
    "卡号«6222021234567890123»扣了两次款",
    "身份证«11010519491231002»X登记的",
    "全角号码«１３８００１３８０００»也要遮住",
)
CLEAN = (
    "Bought 2 for 19.99 and paid 5.00 for delivery on 2024-05-06.",
    "Order 1002003 came after 10 days, size 38, 100% cotton.",
    "Model A1234567890123 is a different article number.",
    "It is 120 x 60 x 45 cm and weighs 1,250 g.",
    "The best jacket @ this price",
    "5 Great Style points from me",
    "We drove down the road for 20 minutes.",
    "买了3件，花了199.9元，10天才到",
    "尺码170/92A刚好，2024年5月6日收到",
    "这条路走不通，客服也不回",
)
MISSED = (
    # What the forms do not see, known and told in docs/language.md.
    "anna at example dot com",
    "call five five five, zero one zero, four four seven seven",
    "I live in Flat 3, Rosewood House, Little Barrow",
    "Post it to Leeds LS1 4DT",
    "My name is Anna Smith",
    "我叫王丽，住在幸福小区三号楼",
    "加我微信 wangli_1988",
    "电话一三八零零一三八零零零",
)
